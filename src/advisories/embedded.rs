//! The records compiled into the program: landmark incidents, there before any feed is fetched.
//!
//! A sorted table leads from a name to the texts of its records; only the texts of the names asked for are parsed.

use super::entry::Entry;
use super::osv::Record;
use crate::model::{Ecosystem, PackageName};

/// One embedded record.
#[derive(Debug)]
pub struct Embedded {
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// The package's canonical name.
    pub name: &'static str,
    /// The record's id, which is also its file's name under `advisories/`.
    pub id: &'static str,
    /// The record's JSON.
    pub json: &'static str,
}

macro_rules! records {
    ($($ecosystem:ident $name:literal $id:literal;)*) => {
        &[$(Embedded {
            ecosystem: Ecosystem::$ecosystem,
            name: $name,
            id: $id,
            json: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/advisories/", $id, ".json")),
        }),*]
    };
}

/// Every embedded record, sorted by ecosystem, canonical name and id: the order is used, and held by a test.
pub static TABLE: &[Embedded] = records! {
    PyPI "chimera-sandbox-extensions" "x_TIDEWAITER-2025-0006";
    PyPI "colourama" "x_TIDEWAITER-2017-0001";
    PyPI "coolbox" "x_TIDEWAITER-2026-0027";
    PyPI "crytic-compilers" "x_TIDEWAITER-2024-0002";
    PyPI "ctx" "x_TIDEWAITER-2022-0004";
    PyPI "elementary-data" "x_TIDEWAITER-2026-0017";
    PyPI "fabrice" "x_TIDEWAITER-2021-0001";
    PyPI "gptplus" "x_TIDEWAITER-2023-0002";
    PyPI "guardrails-ai" "x_TIDEWAITER-2026-0021";
    PyPI "lightning" "x_TIDEWAITER-2026-0018";
    PyPI "litellm" "x_TIDEWAITER-2026-0009";
    PyPI "mistralai" "x_TIDEWAITER-2026-0022";
    PyPI "num2words" "x_TIDEWAITER-2025-0008";
    PyPI "python3-dateutil" "x_TIDEWAITER-2019-0002";
    PyPI "pytoileur" "x_TIDEWAITER-2024-0001";
    PyPI "set-utils" "x_TIDEWAITER-2025-0001";
    PyPI "sympy-dev" "x_TIDEWAITER-2026-0001";
    PyPI "torchtriton" "x_TIDEWAITER-2022-0005";
    PyPI "ultralytics" "x_TIDEWAITER-2024-0004";
    PyPI "ultralytics" "x_TIDEWAITER-2024-0005";
    Npm "@7nohe/openapi-react-query-codegen" "x_TIDEWAITER-2026-0034";
    Npm "@acitons/artifact" "x_TIDEWAITER-2025-0013";
    Npm "@bitwarden/cli" "x_TIDEWAITER-2026-0016";
    Npm "@ctrl/tinycolor" "x_TIDEWAITER-2025-0011";
    Npm "@dydxprotocol/v4-client-js" "x_TIDEWAITER-2026-0002";
    Npm "@ledgerhq/connect-kit" "x_TIDEWAITER-2023-0003";
    Npm "@lottiefiles/lottie-player" "x_TIDEWAITER-2024-0003";
    Npm "@mastra/core" "x_TIDEWAITER-2026-0029";
    Npm "@mistralai/mistralai" "x_TIDEWAITER-2026-0020";
    Npm "@tanstack/react-router" "x_TIDEWAITER-2026-0019";
    Npm "@vapi-ai/server-sdk" "x_TIDEWAITER-2026-0026";
    Npm "@velora-dex/sdk" "x_TIDEWAITER-2026-0013";
    Npm "art-template" "x_TIDEWAITER-2025-0003";
    Npm "axios" "x_TIDEWAITER-2026-0011";
    Npm "cline" "x_TIDEWAITER-2026-0004";
    Npm "coa" "x_TIDEWAITER-2021-0003";
    Npm "colors" "x_TIDEWAITER-2022-0001";
    Npm "electron-native-notify" "x_TIDEWAITER-2019-0001";
    Npm "eslint-config-prettier" "x_TIDEWAITER-2025-0007";
    Npm "eslint-scope" "x_TIDEWAITER-2018-0001";
    Npm "event-stream" "x_TIDEWAITER-2018-0002";
    Npm "http-proxy-middelware" "x_TIDEWAITER-2020-0001";
    Npm "keyv" "x_TIDEWAITER-2026-0030";
    Npm "ngx-bootstrap" "x_TIDEWAITER-2025-0010";
    Npm "node-ipc" "x_TIDEWAITER-2022-0002";
    Npm "node-ipc" "x_TIDEWAITER-2026-0023";
    Npm "nx" "x_TIDEWAITER-2025-0009";
    Npm "plain-crypto-js" "x_TIDEWAITER-2026-0010";
    Npm "posthog-js" "x_TIDEWAITER-2025-0014";
    Npm "postmark-mcp" "x_TIDEWAITER-2025-0012";
    Npm "suport-color" "x_TIDEWAITER-2026-0003";
    Npm "ua-parser-js" "x_TIDEWAITER-2021-0002";
    Npm "weavedb-sdk" "x_TIDEWAITER-2026-0025";
    CratesIo "arrayref" "x_TIDEWAITER-2026-0032";
    CratesIo "chrono-anchor" "x_TIDEWAITER-2026-0007";
    CratesIo "evm-units" "x_TIDEWAITER-2025-0004";
    CratesIo "exploration" "x_TIDEWAITER-2026-0024";
    CratesIo "faster-log" "x_TIDEWAITER-2025-0005";
    CratesIo "finch-rst" "x_TIDEWAITER-2025-0016";
    CratesIo "finch-rust" "x_TIDEWAITER-2025-0015";
    CratesIo "internment" "x_TIDEWAITER-2026-0033";
    CratesIo "logtrace" "x_TIDEWAITER-2026-0012";
    CratesIo "microsoftsystem64" "x_TIDEWAITER-2026-0015";
    CratesIo "onering" "x_TIDEWAITER-2026-0028";
    CratesIo "postgress" "x_TIDEWAITER-2023-0001";
    CratesIo "pretty-changelog-logger" "x_TIDEWAITER-2026-0014";
    CratesIo "proc-macro1" "x_TIDEWAITER-2026-0031";
    CratesIo "rands" "x_TIDEWAITER-2025-0002";
    CratesIo "rustdecimal" "x_TIDEWAITER-2022-0003";
    CratesIo "time-calibrator" "x_TIDEWAITER-2026-0006";
    CratesIo "tracing-ethers" "x_TIDEWAITER-2026-0008";
    CratesIo "tracings" "x_TIDEWAITER-2026-0005";
};

/// The entries about a name.
pub fn entries(name: &PackageName) -> Vec<Entry> {
    let key = (name.ecosystem(), name.canonical());
    let from = TABLE.partition_point(|e| (e.ecosystem, e.name) < key);
    let rows = TABLE.iter().skip(from).take_while(|e| (e.ecosystem, e.name) == key);
    rows.filter_map(|e| Record::parse(e.json.as_bytes()).ok())
        .flat_map(|record| Entry::of_record(&record))
        .filter(|((ecosystem, package), _)| (*ecosystem, package.as_str()) == key)
        .map(|(_, entry)| entry)
        .collect()
}

/// The JSON of the records with this id or alias.
pub fn by_id(id: &str) -> impl Iterator<Item = &'static str> {
    let quoted = format!("\"{id}\"");
    TABLE
        .iter()
        .filter(move |e| {
            // Most texts do not contain the id at all: those are not parsed.
            e.id == id
                || (e.json.contains(&quoted)
                    && Record::parse(e.json.as_bytes()).is_ok_and(|r| r.aliases.iter().any(|a| a == id)))
        })
        .map(|e| e.json)
}
