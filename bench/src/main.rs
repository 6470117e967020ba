//! The benchmark: Hearth, run with its defaults, beside the floor under each of its costs, in one run and one table.
//!
//! It refuses to assert anything about time: machines differ, and the ratio to the floor is what is read.

mod bare;
mod connection;
mod failure;
mod lambda;
mod language;
mod machine;
mod measure;
mod program;
mod publisher;
mod role;
mod sample;
mod service;
mod signature;
mod sqs;
mod table;

use clap::{Parser, Subcommand};
use failure::Failure;
use machine::Machine;
use measure::{Amount, Bench, HEARTH};
use publisher::Kind;
use std::path::PathBuf;
use std::process::ExitCode;
use table::Row;

/// Measures Hearth beside the floor under each of its costs.
#[derive(Parser)]
#[command(name = "hearth-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, print a table and write the results as JSON
    Run(Run),
    /// The bare server that invocations are held against; the run starts it by itself
    Bare(bare::Options),
    /// Measure a queue of any server that speaks SQS's API, for `bench/peers`
    Queue(measure::queue::Options),
}

#[derive(clap::Args)]
struct Run {
    /// The server's program
    #[arg(long, value_name = "PROGRAM")]
    hearth: PathBuf,
    /// Where the results are written, in a file named after the date
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Where `hearth runtimes install` has put the AWS SDKs: functions that import them are measured too
    #[arg(long, value_name = "DIR")]
    sdk_dir: Option<PathBuf>,
    /// A few of each only, to see that the benchmark works
    #[arg(long)]
    quick: bool,
    /// These measurements only
    #[arg(value_enum)]
    only: Vec<Measurement>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measurement {
    Warm,
    Throughput,
    Cold,
    Burst,
    Zygote,
    Start,
    Deploy,
    Queue,
    Events,
    Topic,
    Bus,
}

const ALL: [Measurement; 11] = [
    Measurement::Warm,
    Measurement::Throughput,
    Measurement::Cold,
    Measurement::Burst,
    Measurement::Zygote,
    Measurement::Start,
    Measurement::Deploy,
    Measurement::Queue,
    Measurement::Events,
    Measurement::Topic,
    Measurement::Bus,
];

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run(&arguments),
        Command::Bare(options) => runtime(tokio::runtime::Builder::new_multi_thread())
            .and_then(|runtime| runtime.block_on(bare::serve(options))),
        Command::Queue(options) => runtime(tokio::runtime::Builder::new_current_thread())
            .and_then(|runtime| runtime.block_on(measure::queue::of(options))),
    };
    let Err(failure) = done else { return ExitCode::SUCCESS };
    eprintln!("error: {failure}");
    let mut source = std::error::Error::source(&failure);
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}

/// The client has one thread, so that as much as can be of the machine is left to what is measured.
fn run(arguments: &Run) -> Result<(), Failure> {
    let machine = Machine::read()?;
    println!("{machine}");
    let folder = tempfile::Builder::new().prefix("hearth-bench-").tempdir();
    let folder = folder.map_err(Failure::machine("make a temporary directory"))?;
    let own = std::env::current_exe().map_err(Failure::machine("find this program"))?;
    let sdk = arguments.sdk_dir.as_deref();
    let bench = Bench {
        hearth: arguments.hearth.clone(),
        languages: language::found(folder.path(), &own.with_file_name("echo"), sdk)?,
        own,
        folder: folder.path().to_path_buf(),
        sdk: arguments.sdk_dir.clone(),
        amount: if arguments.quick { Amount::QUICK } else { Amount::WHOLE },
    };
    for language in &bench.languages {
        println!("{}: {} at {}", language.name, language.runtime, language.program.display());
    }
    let rows = runtime(tokio::runtime::Builder::new_current_thread())?
        .block_on(rows(&bench, if arguments.only.is_empty() { &ALL } else { &arguments.only }))?;
    println!("\n{}", table::text(&rows));
    let results = table::json(&machine, arguments.quick, &rows);
    let path = arguments.output.join(format!("{}.json", machine.date.replace(':', "-")));
    let written = std::fs::create_dir_all(&arguments.output)
        .and_then(|()| std::fs::write(&path, format!("{results:#}\n")));
    written.map_err(Failure::machine(format!("write {}", path.display())))?;
    println!("written to {}", path.display());
    Ok(())
}

async fn rows(bench: &Bench, wanted: &[Measurement]) -> Result<Vec<Row>, Failure> {
    let hearth = bench.start_hearth(HEARTH)?;
    role::make(HEARTH, hearth.address).await?;
    let mut rows = Vec::new();
    for measurement in ALL.iter().filter(|measurement| wanted.contains(measurement)) {
        let name = match measurement {
            Measurement::Warm => "warm invocations",
            Measurement::Throughput => "throughput",
            Measurement::Cold => "cold starts",
            Measurement::Burst => "bursts",
            Measurement::Zygote => "copies of zygotes",
            Measurement::Start => "starts of the server",
            Measurement::Deploy => "deployments",
            Measurement::Queue => "queues",
            Measurement::Events => "events",
            Measurement::Topic => "topics",
            Measurement::Bus => "buses",
        };
        println!("measuring {name} ...");
        let measured = match measurement {
            Measurement::Warm => measure::warm::measure(bench, &hearth).await?,
            Measurement::Throughput => measure::throughput::measure(bench, &hearth).await?,
            Measurement::Cold => measure::cold::measure(bench, &hearth).await?,
            Measurement::Burst => measure::burst::measure(bench).await?,
            Measurement::Zygote => measure::zygote::measure(bench).await?,
            Measurement::Start => measure::start::measure(bench).await?,
            Measurement::Deploy => measure::deploy::measure(bench, &hearth).await?,
            Measurement::Queue => measure::queue::measure(bench, &hearth).await?,
            Measurement::Events => measure::events::measure(bench, &hearth).await?,
            Measurement::Topic => {
                measure::fan_out::measure(bench, &hearth, &[Kind::Topic, Kind::RawTopic]).await?
            }
            Measurement::Bus => measure::fan_out::measure(bench, &hearth, &[Kind::Bus]).await?,
        };
        // What comes later may fail; what was measured is known.
        println!("{}", table::text(&measured));
        rows.extend(measured);
    }
    hearth.stop()?;
    Ok(rows)
}

fn runtime(mut builder: tokio::runtime::Builder) -> Result<tokio::runtime::Runtime, Failure> {
    builder.enable_all().build().map_err(Failure::machine("start the async runtime"))
}
