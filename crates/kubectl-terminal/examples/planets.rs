//! A program that prints as kubectl does: `cargo run -p kubectl-terminal --example planets -- -o json`, `-o wide`,
//! `-o 'jsonpath={.items[*].name}'`, `--no-headers`.

use std::process::ExitCode;

use clap::{ColorChoice, Parser};
use kubectl_terminal::forms::{OutputArgs, OutputError};
use kubectl_terminal::table::{Column, Table};
use kubectl_terminal::{Ui, forms};
use serde_json::json;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    output: OutputArgs,
}

struct Planet {
    name: &'static str,
    moons: u32,
    found: &'static str,
}

const PLANETS: [Planet; 2] = [
    Planet { name: "mars", moons: 2, found: "in antiquity" },
    Planet { name: "neptune", moons: 16, found: "by calculation, in 1846" },
];

fn run(args: &OutputArgs, ui: &mut Ui) -> Result<(), OutputError> {
    let form = args.form(&[])?;
    if !form.is_human() {
        let items: Vec<_> = PLANETS.iter().map(|it| json!({"name": it.name, "moons": it.moons})).collect();
        return forms::print_document(ui, &json!({"kind": "List", "items": items}), &form);
    }
    let columns: Vec<Column<'_, Planet>> = vec![
        Column::new("NAME", |it: &Planet| it.name),
        Column::new("MOONS", |it: &Planet| it.moons.to_string()),
        // Cut where the terminal is too narrow.
        Column::new("FOUND", |it: &Planet| it.found).flexible().wide(),
    ];
    Table::of(&columns, &PLANETS, form.is_wide()).no_headers(args.no_headers).print(ui);
    Ok(())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut ui = Ui::from_process(ColorChoice::Auto);
    if let Err(error) = run(&cli.output, &mut ui) {
        ui.error(&error.to_string());
        return ExitCode::FAILURE;
    }
    if ui.finish() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
