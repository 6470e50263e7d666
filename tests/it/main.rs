//! All integration tests, in one program. Each scenario runs on SQLite, and on PostgreSQL too
//! when `TEST_DATABASE_URL` names one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of scenarios fail loudly, like the scenarios themselves"
)]

mod audit;
mod bad_input;
mod bench;
mod callback_commands;
mod callback_control;
mod callbacks;
mod card_data;
mod chip;
mod clock;
mod close_day;
mod custody;
mod database;
mod dice;
mod dockerfile;
mod documents;
mod effort;
mod evil_receivers;
mod explain;
mod explain_control;
mod fuzz;
mod hsm;
mod http;
mod key_blocks;
mod keys;
mod lanes;
mod leavings;
mod licences;
mod limits;
mod listen;
mod money;
mod month;
mod nexo_ahead;
mod nexo_bad_input;
mod nexo_conduct;
mod nexo_deaf_host;
mod nexo_instances;
mod nexo_json;
mod nexo_once;
mod nexo_payments;
mod nexo_refusals;
mod operator;
mod order_life;
mod orders;
mod outcome;
mod pos_commands;
mod process;
mod readers;
mod readme;
mod receiver;
mod registry;
mod registry_races;
mod report;
mod rki;
mod scan_pan;
mod scripts;
mod serve;
mod shelf;
mod simulation;
mod state_machine;
mod status;
mod store;
mod terminal_orders;
mod tidy;
mod till;
mod together;
mod unknown_outcome;
mod upgrade;
mod world;
