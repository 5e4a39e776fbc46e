//! Tables of text → simple commands, hostile texts, and what must hold for any text.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn read_text(text: &str) -> Script {
    read(text, &Surroundings::default(), &Cell::new(MAX_STEPS))
}

/// `word|word†` (`†`: not known), `dir:` before it, `<text>` that it reads, ` ; ` between commands, `!reason` at the end.
fn compact(text: &str) -> String {
    let script = read_text(text);
    let mut out = Vec::new();
    for command in &script.commands {
        let mut line = String::new();
        match &command.directory {
            Directory::Known(d) if d.is_empty() => {}
            Directory::Known(d) => line.push_str(&format!("{d}: ")),
            Directory::Unknown(_) => line.push_str("?: "),
        }
        for set in &command.assignments {
            line.push_str(&format!("{}={} ", set.name, set.value.text.as_deref().unwrap_or("†")));
        }
        let words = command.words.iter().map(|w| w.text.clone().unwrap_or_else(|| format!("{}†", w.raw)));
        line.push_str(&words.collect::<Vec<_>>().join("|"));
        match &command.input {
            Stream::Text(text) => line.push_str(&format!(" <{text:?}>")),
            Stream::Unknown(who) => line.push_str(&format!(" <from {who}>")),
            Stream::File => line.push_str(" <file>"),
            Stream::Inherited => {}
        }
        out.push(line);
    }
    out.extend(script.opaque.iter().map(|o| format!("!{}", o.reason)));
    out.join(" ; ")
}

#[test]
fn texts_become_simple_commands() {
    let table = include_str!("../../fixtures/shell/commands.txt");
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in table.lines().filter(|l| !l.is_empty() && !l.starts_with("## ")) {
        let (text, expected) = row.split_once("  =>").unwrap();
        let text = text.replace('⏎', "\n").replace('⇥', "\t");
        let found = compact(&text);
        count += 1;
        let expected = expected.replace('⏎', "\n");
        if found != expected.trim() {
            wrong.push(format!("{text}\n    expected {}\n    found    {found}", expected.trim()));
        }
    }
    assert!(count >= 150, "{count}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn spans_are_stretches_of_the_text() {
    let text = "cd app && npm 'i' \"x y\" | é";
    let script = read_text(text);
    let shown: Vec<&str> = script.commands.iter().map(|c| text.get(c.span.start..c.span.end).unwrap()).collect();
    assert_eq!(shown, ["npm 'i' \"x y\"", "é"]);
    let words: Vec<&str> = script.commands[0].words.iter().map(|w| &text[w.span.start..w.span.end]).collect();
    assert_eq!(words, ["npm", "'i'", "\"x y\""]);
}

#[test]
fn variables_and_doubts_go_with_the_commands() {
    let script = read_text("export A=b; C=d; source x.sh; E=f g");
    let command = script.commands.last().unwrap();
    assert!(command.variables["A"].exported && !command.variables["C"].exported);
    assert_eq!(command.variables["A"].text, None, "`source` may have changed it");
    assert_eq!(command.assignments[0].name, "E");
    assert_eq!(command.doubts.len(), 1);
}

#[test]
fn little_comes_of_hostile_texts() {
    let size = 64 * 1024;
    let repeated = |unit: &str| unit.repeat(size / unit.len());
    let mut texts: Vec<String> = [
        "${a[",
        "$(((",
        "$((",
        "$(",
        "((",
        "(",
        "{ ",
        "`",
        "\\`",
        "\"$(",
        "<<E ",
        "<<'E' ",
        "cat <<E;",
        "a|",
        "a&&",
        "a;",
        "if ",
        "while ",
        "case x in (",
        "case a in a) ",
        "f(){ ",
        "{a,",
        "{a,b}",
        "{{",
        "${x:-",
        "${x:-\"",
        "$'",
        "\"",
        "'",
        "a[",
        "[[ ",
        "(( ",
        "x=$x$x ",
        "x=y;",
        "(x=y);",
        "$x ",
        "*",
        "<(",
        "@(",
        "!",
        "time ",
        "coproc ",
        "eval ",
        "time -p ",
        "for i in a b;do ",
        "for i in a b;do a;done;",
        "a=(",
        "\n",
        "#",
        "&",
        "\\\n",
        "export a=b;",
        "[",
        "]",
        "é",
        "$((\")",
        "cd a&&",
        "a||",
        "f(){ f;};f;",
        "x+=x;",
        "`a`",
        "$(a)",
        "\"$(a)\"",
        "case a in a)b;;esac;",
        "if a;then b;fi;",
        "while a;do b;done;",
        "{fd}>x ",
        "{aaaa",
        "1>x ",
        "${a",
        "${!a*}",
        "$[",
        "a[x",
        "time (",
        "function a ",
    ]
    .iter()
    .map(|unit| repeated(unit))
    .collect();
    texts.push(format!("x={}; {}", "y".repeat(60_000), "eval \"$x\";".repeat(300)));
    texts.push(format!("f() {{ {} }}; f", "for i in 1 2 3 4 5 6 7 8; do ".repeat(20) + "a;" + &"done;".repeat(20)));
    texts.push(":(){ :|:& };:".to_owned());
    texts.push(format!("{}a{}", "(x=1;".repeat(60), ")".repeat(60)));
    texts.push((0..4000).map(|i| format!("v{i}=x;(a);")).collect());
    texts.push("cat ".to_owned() + &"<<E ".repeat(8000) + "\n" + &"x\n".repeat(8000));
    texts.push(format!("a{}", "{1..9}".repeat(1000)));
    // How long it takes is measured by scripts/bench-hook: here, that what is read ends, and that little comes of it.
    for text in &texts {
        let script = read_text(text);
        let found = script.commands.len() + script.opaque.len();
        assert!(found < 100_000, "{found}: {}", text.chars().take(40).collect::<String>());
    }
}

#[test]
fn what_is_too_much_is_one_opaque() {
    assert_eq!(read_text(&"a ".repeat(MAX_TEXT)).opaque.len(), 1);
    assert_eq!(compact(&"(".repeat(100)), "!nested too deep to read");
    assert!(read_text(&"a;".repeat(400_000)).opaque.iter().any(|o| o.reason.contains("more than is followed")));
}

#[test]
fn more_commands_than_are_listed_are_said() {
    let few = |text: &str| {
        let around = Surroundings { most: Some(3), ..Surroundings::default() };
        let script = read(text, &around, &Cell::new(MAX_STEPS));
        (script.commands.len(), script.opaque.len())
    };
    assert_eq!(few("a; b | c"), (3, 0));
    for text in ["a; b; c; d", "a | b | c | d", "for i in 1 2; do a; b; done", "f() { a; b; c; d; }", "a $(b; c) $(d)"]
    {
        let (commands, opaque) = few(text);
        assert!(commands <= 3 && opaque == 1, "{text}: {commands} {opaque}");
    }
}

#[test]
fn a_text_that_there_are_no_steps_for_is_said() {
    let steps = Cell::new(3);
    let script = read(&"a; ".repeat(100), &Surroundings::default(), &steps);
    assert_eq!((script.commands.len(), script.opaque.len()), (0, 1));
}

#[test]
fn a_text_that_was_parsed_once_reads_the_same_each_time() {
    let text = "x=1; cat <<E | sh -s $x\n$x\nE\nf() { pip install $1; }; f a; f b > c; cd d && eval \"$x\"; (";
    let parsed = Parsed::new(text).unwrap();
    let whole = format!("{:?}", read_text(text));
    for _ in 0..2 {
        let script = parsed.follow(&Surroundings::default(), &Cell::new(MAX_STEPS), None);
        assert_eq!(format!("{script:?}"), whole);
    }
    assert!(Parsed::new(&"a".repeat(MAX_TEXT + 1)).is_none());
}

const BITS: &[&str] = &[
    "a",
    "pip",
    "install",
    " ",
    " ",
    "\n",
    ";",
    "&",
    "&&",
    "||",
    "|",
    "|&",
    "(",
    ")",
    "{ ",
    " }",
    "{",
    "}",
    "<",
    ">",
    "<<E\n",
    "<<'E'\n",
    "\nE\n",
    "<<<",
    "<(",
    "$(",
    "$((",
    "))",
    "`",
    "\\",
    "\\\n",
    "'",
    "\"",
    "$'",
    "$\"",
    "${",
    "${x:-",
    "${a[",
    "]",
    "[[ ",
    " ]]",
    "((",
    "$x",
    "$@",
    "$1",
    "x=",
    "x=(",
    "x+=",
    "if ",
    "then ",
    "else ",
    "fi",
    "for i in ",
    "do ",
    "done",
    "while ",
    "case ",
    " in ",
    "esac",
    ";;",
    "f()",
    "function ",
    "eval ",
    "cd ",
    "..",
    "-",
    "*",
    "?",
    "[",
    "~",
    "#",
    "!",
    "time ",
    "é",
    "\u{0}",
    "{a,b}",
    "{1..3}",
    "2>&1",
    "&>",
    ">&",
    "export ",
    "alias a=",
    "trap ",
    "set -- ",
    "shift",
    "$IFS",
    "source ",
    "\r\n",
    "@(",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn any_text_is_read(text in any::<String>(), bits in proptest::collection::vec(proptest::sample::select(BITS.to_vec()), 0..60)) {
        for text in [text, bits.concat()] {
            let script = read_text(&text);
            for command in &script.commands {
                prop_assert!(!command.words.is_empty());
                prop_assert!(text.get(command.span.start..command.span.end).is_some());
            }
            for opaque in &script.opaque {
                prop_assert!(text.get(opaque.span.start..opaque.span.end).is_some());
            }
            let _ = plain_words(&text);
        }
    }

    /// Quoting that changes nothing for a shell changes nothing here.
    #[test]
    fn spelling_does_not_matter(word in "[a-z]{1,6}", how in 0_usize..7, cut in 0_usize..6) {
        let (a, b) = word.split_at(cut.min(word.len()));
        let spelled = match how {
            0 => format!("{a}''{b}"),
            1 => format!("'{a}'\"{b}\""),
            2 => format!("{a}\\\n{b}"),
            3 => word.chars().map(|c| format!("\\{c}")).collect(),
            4 => format!("$'{}'", word.bytes().map(|b| format!("\\x{b:02x}")).collect::<String>()),
            5 => format!("{a}$\"{b}\""),
            _ => format!("{a}$(printf %s '{b}')"),
        };
        let found = compact(&format!("x {spelled} z"));
        prop_assert!(found.ends_with(&format!("x|{word}|z")), "{}: {}", spelled, found);
    }
}
