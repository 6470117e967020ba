//! The machine that results come from: figures without it mean nothing.

use crate::failure::Failure;
use hearth_base::{Clock, SystemClock};
use serde_json::{Value, json};
use std::fmt;

/// What is noted of a machine.
pub struct Machine {
    /// When the run began: `2026-11-23T08:00:00Z` and its like.
    pub date: String,
    processors: usize,
    model: String,
    kernel: String,
    memory_bytes: u64,
}

impl Machine {
    /// Reads what the kernel tells.
    pub fn read() -> Result<Self, Failure> {
        let read =
            |path: &str| std::fs::read_to_string(path).map_err(Failure::machine(format!("read {path}")));
        let processors =
            std::thread::available_parallelism().map_err(Failure::machine("count the processors"))?;
        let cpuinfo = read("/proc/cpuinfo")?;
        let model = field(&cpuinfo, "model name").unwrap_or("unknown processor").to_owned();
        let meminfo = read("/proc/meminfo")?;
        let total = field(&meminfo, "MemTotal").and_then(|text| text.strip_suffix("kB"));
        Ok(Self {
            date: SystemClock.now().date_time(),
            processors: processors.get(),
            model,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            memory_bytes: total.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0) << 10,
        })
    }

    /// For the file of results.
    pub fn json(&self) -> Value {
        json!({
            "processors": self.processors,
            "model": self.model,
            "kernel": self.kernel,
            "memoryBytes": self.memory_bytes,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { date, processors, model, kernel, memory_bytes } = self;
        let gibibytes = *memory_bytes as f64 / f64::from(1 << 30);
        write!(f, "{date}: {processors} x {model}, {gibibytes:.0} GiB, Linux {kernel}")
    }
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':')).map(str::trim)
}
