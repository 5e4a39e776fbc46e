//! The system calls that a contained process does not get, as a seccomp filter: what it may reach in, a BPF program out.
//!
//! A list of what is refused, not of what is allowed: compilers and interpreters use most of the rest. The answer is an
//! error number, so that a program can say what it could not do; only a call by another architecture's table kills.
//! See seccomp(2); the classic BPF machine is described in the kernel's `filter.rst`.

use seccompiler::sock_filter;

use super::super::Reach;

// BPF instruction codes that are used here (linux/bpf_common.h).
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
#[cfg(target_arch = "x86_64")]
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets in `struct seccomp_data`; the low half of an argument, for a little-endian machine.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(n: u32) -> u32 {
    16 + 8 * n
}

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7; // AUDIT_ARCH_AARCH64
#[cfg(target_arch = "riscv64")]
const NATIVE: u32 = 0xC000_00F3; // AUDIT_ARCH_RISCV64

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const NOT_PERMITTED: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const NO_ACCESS: u32 = libc::SECCOMP_RET_ERRNO | libc::EACCES as u32;
const NO_SUCH_CALL: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// Calls that are refused whatever their arguments are.
const REFUSED: &[libc::c_long] = &[
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_perf_event_open,
    // Namespaces and mounts: the way out of what was set up, and a large part of the kernel's past holes.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Opens a file by its number, past every path rule (root).
    libc::SYS_open_by_handle_at,
    // io_uring does what these filters look at without making the calls.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    #[cfg(not(target_arch = "riscv64"))]
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_fanotify_init,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// Flags of clone(2) that make a namespace.
const NEW_NAMESPACE: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;

/// Terminal requests that type into the user's shell, or give the terminal another line discipline.
const TERMINAL: [u32; 3] = [0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */, 0x5423 /* TIOCSETD */];

/// `MSG_FASTOPEN` connects a TCP socket without connect(2), where Landlock does not look.
const FAST_OPEN: u32 = 0x2000_0000;

const SOCKET_TYPE: u32 = 0xf;
const TCP: u32 = libc::IPPROTO_TCP as u32;

/// A filter under construction.
struct Program(Vec<sock_filter>);

const fn instruction(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

impl Program {
    fn load(&mut self, at: u32) {
        self.0.push(instruction(LOAD, 0, 0, at));
    }

    fn answer(&mut self, value: u32) {
        self.0.push(instruction(RETURN, 0, 0, value));
    }

    /// Answers at once where the loaded word equals `k`.
    fn answer_if_equal(&mut self, k: u32, value: u32) {
        self.0.push(instruction(EQUAL, 0, 1, k));
        self.answer(value);
    }

    /// Answers at once where the loaded word has one of the bits.
    fn answer_if_any_bit(&mut self, k: u32, value: u32) {
        self.0.push(instruction(ANY_BIT, 0, 1, k));
        self.answer(value);
    }

    /// A part for one call, or for none: entered with the number loaded, left with it loaded again.
    fn call(&mut self, number: libc::c_long, part: impl FnOnce(&mut Self)) {
        let mut inner = Self(Vec::new());
        part(&mut inner);
        inner.load(NUMBER);
        // The parts are a dozen instructions; were one too long to jump over, refusing everything would be the safe end.
        let length = u8::try_from(inner.0.len()).unwrap_or(0);
        self.0.push(instruction(EQUAL, 0, length, word(number)));
        self.0.append(&mut inner.0);
    }

    /// In a part: continues with `part` where the loaded word equals `k`, else after it.
    fn when_equal(&mut self, k: u32, part: impl FnOnce(&mut Self)) {
        let mut inner = Self(Vec::new());
        part(&mut inner);
        let length = u8::try_from(inner.0.len()).unwrap_or(0);
        self.0.push(instruction(EQUAL, 0, length, k));
        self.0.append(&mut inner.0);
    }
}

/// A call's number as BPF compares it.
const fn word(number: libc::c_long) -> u32 {
    number as u32
}

/// The filter for a process that may reach `reach`.
pub(super) fn program(reach: Reach) -> Vec<sock_filter> {
    let mut p = Program(Vec::new());
    p.load(ARCHITECTURE);
    p.0.push(instruction(EQUAL, 1, 0, NATIVE));
    p.answer(KILL);
    p.load(NUMBER);
    // The x32 table has other numbers for the same calls.
    #[cfg(target_arch = "x86_64")]
    {
        p.0.push(instruction(AT_LEAST, 0, 1, 0x4000_0000));
        p.answer(NO_SUCH_CALL);
    }
    for number in REFUSED {
        p.answer_if_equal(word(*number), NOT_PERMITTED);
    }
    // Its flags lie in memory, where a filter cannot look. The C libraries fall back to clone(2).
    p.answer_if_equal(word(libc::SYS_clone3), NO_SUCH_CALL);
    p.call(libc::SYS_clone, |p| {
        p.load(argument(0));
        p.answer_if_any_bit(NEW_NAMESPACE, NOT_PERMITTED);
    });
    p.call(libc::SYS_ioctl, |p| {
        p.load(argument(1));
        for request in TERMINAL {
            p.answer_if_equal(request, NOT_PERMITTED);
        }
    });
    p.call(libc::SYS_socketpair, |p| {
        p.load(argument(0));
        p.answer_if_equal(libc::AF_UNIX as u32, ALLOW);
        p.answer(NO_ACCESS);
    });
    p.call(libc::SYS_socket, |p| socket(p, reach));
    if reach != Reach::Open {
        p.answer_if_equal(word(libc::SYS_listen), NO_ACCESS);
        for (number, flags) in [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)] {
            p.call(number, |p| {
                p.load(argument(flags));
                p.answer_if_any_bit(FAST_OPEN, NO_ACCESS);
            });
        }
    }
    p.answer(ALLOW);
    p.0
}

/// Which sockets may be made. AF_UNIX is none of them: its paths lead to the user's D-Bus, ssh-agent, docker and display,
/// and the pipes that tools use between their own processes are socketpair(2).
fn socket(p: &mut Program, reach: Reach) {
    p.load(argument(0));
    for domain in [libc::AF_INET, libc::AF_INET6] {
        p.when_equal(domain as u32, |p| match reach {
            Reach::Nothing => p.answer(NO_ACCESS),
            // Landlock knows TCP alone, so nothing but TCP: no UDP, no raw sockets, no SCTP, no MPTCP.
            Reach::Gateway { .. } => {
                p.load(argument(1));
                p.0.push(instruction(AND, 0, 0, SOCKET_TYPE));
                p.when_equal(libc::SOCK_STREAM as u32, |p| {
                    p.load(argument(2));
                    p.answer_if_equal(0, ALLOW);
                    p.answer_if_equal(TCP, ALLOW);
                });
                p.answer(NO_ACCESS);
            }
            Reach::Open => {
                p.load(argument(1));
                p.0.push(instruction(AND, 0, 0, SOCKET_TYPE));
                p.answer_if_equal(libc::SOCK_STREAM as u32, ALLOW);
                p.answer_if_equal(libc::SOCK_DGRAM as u32, ALLOW);
                p.answer(NO_ACCESS);
            }
        });
    }
    // Name look-ups ask the kernel for its addresses first.
    if reach == Reach::Open {
        p.when_equal(libc::AF_NETLINK as u32, |p| {
            p.load(argument(2));
            p.answer_if_equal(libc::NETLINK_ROUTE as u32, ALLOW);
            p.answer(NO_ACCESS);
        });
    }
    p.answer(NO_ACCESS);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
    use super::*;

    /// The classic BPF machine, as far as these programs use it.
    fn run(program: &[sock_filter], architecture: u32, number: libc::c_long, arguments: [u32; 6]) -> u32 {
        let (mut at, mut loaded) = (0usize, 0u32);
        loop {
            let i = &program[at];
            at += 1;
            let jump = |taken: bool| usize::from(if taken { i.jt } else { i.jf });
            match i.code {
                LOAD => {
                    loaded = match i.k {
                        NUMBER => number as u32,
                        ARCHITECTURE => architecture,
                        k => arguments[usize::try_from((k - 16) / 8).unwrap()],
                    };
                }
                AND => loaded &= i.k,
                EQUAL => at += jump(loaded == i.k),
                AT_LEAST => at += jump(loaded >= i.k),
                ANY_BIT => at += jump(loaded & i.k != 0),
                RETURN => return i.k,
                other => panic!("no such instruction: {other:#x}"),
            }
        }
    }

    const REACHES: [Reach; 3] = [Reach::Nothing, Reach::Gateway { port: 4000 }, Reach::Open];

    fn socket_answer(reach: Reach, domain: i32, kind: i32, protocol: i32) -> u32 {
        let arguments = [domain as u32, kind as u32, protocol as u32, 0, 0, 0];
        run(&program(reach), NATIVE, libc::SYS_socket, arguments)
    }

    #[test]
    fn every_call_gets_an_answer_and_ordinary_ones_pass() {
        for reach in REACHES {
            let program = program(reach);
            for number in 0..600 {
                run(&program, NATIVE, number, [0; 6]);
            }
            for number in [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_connect, libc::SYS_wait4] {
                assert_eq!(run(&program, NATIVE, number, [u32::MAX; 6]), ALLOW);
            }
            for number in REFUSED {
                assert_eq!(run(&program, NATIVE, *number, [0; 6]), NOT_PERMITTED);
            }
            assert_eq!(run(&program, 0x4000_0003, libc::SYS_read, [0; 6]), KILL, "another architecture");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_x32_table_is_closed() {
        let number = libc::SYS_ptrace | 0x4000_0000;
        assert_eq!(run(&program(Reach::Open), NATIVE, number, [0; 6]), NO_SUCH_CALL);
    }

    #[test]
    fn a_process_may_be_cloned_and_a_namespace_not() {
        for reach in REACHES {
            let ask = |flags: i32| run(&program(reach), NATIVE, libc::SYS_clone, [flags as u32, 0, 0, 0, 0, 0]);
            assert_eq!(ask(libc::SIGCHLD | libc::CLONE_VM | libc::CLONE_VFORK), ALLOW);
            assert_eq!(ask(libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_VM), ALLOW);
            assert_eq!(ask(libc::SIGCHLD | libc::CLONE_NEWUSER), NOT_PERMITTED);
            assert_eq!(ask(libc::SIGCHLD | libc::CLONE_NEWNS), NOT_PERMITTED);
        }
    }

    #[test]
    fn sockets_are_as_the_reach_says() {
        let gateway = Reach::Gateway { port: 4000 };
        let (stream, datagram) = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK);
        for domain in [libc::AF_INET, libc::AF_INET6] {
            assert_eq!(socket_answer(gateway, domain, stream, 0), ALLOW);
            assert_eq!(socket_answer(gateway, domain, stream, libc::IPPROTO_TCP), ALLOW);
            assert_eq!(socket_answer(gateway, domain, stream, libc::IPPROTO_MPTCP), NO_ACCESS);
            assert_eq!(socket_answer(gateway, domain, stream, libc::IPPROTO_SCTP), NO_ACCESS);
            assert_eq!(socket_answer(gateway, domain, datagram, 0), NO_ACCESS);
            assert_eq!(socket_answer(gateway, domain, libc::SOCK_RAW, 1), NO_ACCESS);
            assert_eq!(socket_answer(Reach::Nothing, domain, stream, 0), NO_ACCESS);
            assert_eq!(socket_answer(Reach::Open, domain, datagram, 0), ALLOW);
            assert_eq!(socket_answer(Reach::Open, domain, libc::SOCK_RAW, 1), NO_ACCESS);
        }
        for reach in REACHES {
            assert_eq!(socket_answer(reach, libc::AF_UNIX, stream, 0), NO_ACCESS);
            assert_eq!(socket_answer(reach, libc::AF_PACKET, libc::SOCK_RAW, 3), NO_ACCESS);
            assert_eq!(socket_answer(reach, libc::AF_VSOCK, stream, 0), NO_ACCESS);
            assert_eq!(socket_answer(reach, libc::AF_ALG, libc::SOCK_SEQPACKET, 0), NO_ACCESS);
            let pair = |domain: i32| run(&program(reach), NATIVE, libc::SYS_socketpair, [domain as u32, 1, 0, 0, 0, 0]);
            assert_eq!(pair(libc::AF_UNIX), ALLOW);
            assert_eq!(pair(libc::AF_TIPC), NO_ACCESS);
        }
        assert_eq!(socket_answer(Reach::Open, libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE), ALLOW);
        assert_eq!(socket_answer(gateway, libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE), NO_ACCESS);
    }

    #[test]
    fn tcp_fast_open_and_typing_into_the_terminal_are_refused() {
        let filter = program(Reach::Gateway { port: 4000 });
        assert_eq!(run(&filter, NATIVE, libc::SYS_sendto, [3, 0, 1, FAST_OPEN | 0x4000, 0, 0]), NO_ACCESS);
        assert_eq!(run(&filter, NATIVE, libc::SYS_sendto, [3, 0, 1, 0x4000, 0, 0]), ALLOW);
        assert_eq!(run(&filter, NATIVE, libc::SYS_sendmsg, [3, 0, FAST_OPEN, 0, 0, 0]), NO_ACCESS);
        assert_eq!(run(&filter, NATIVE, libc::SYS_listen, [3, 5, 0, 0, 0, 0]), NO_ACCESS);
        assert_eq!(run(&filter, NATIVE, libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]), NOT_PERMITTED);
        assert_eq!(run(&filter, NATIVE, libc::SYS_ioctl, [0, 0x5401, 0, 0, 0, 0]), ALLOW);
    }
}
