//! Server programs under measurement: started, waited for, weighed and ended.
//!
//! It refuses to leave one behind: dropping a program ends it.

use crate::failure::Failure;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(15);

/// Between two looks at the processes of a server, and how many that show the same make it calm.
const LOOK_AGAIN: Duration = Duration::from_millis(40);
const CALM_LOOKS: u32 = 5;

/// A running server.
pub struct Program {
    name: &'static str,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of its process to the line that says where it listens.
    pub ready_after: Duration,
}

impl Program {
    /// Starts a server that prints one line ending in its address when it is ready. Its log goes to `log`.
    pub fn start(name: &'static str, mut command: Command, log: &Path) -> Result<Self, Failure> {
        let file =
            std::fs::File::create(log).map_err(Failure::machine(format!("write {}", log.display())))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let began = Instant::now();
        let mut child = command.spawn().map_err(Failure::machine(format!("start {command:?}")))?;
        let output = child.stdout.take().expect("the output is piped");
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let ready_after = began.elapsed();
        read.map_err(Failure::machine(format!("read what {name} says")))?;
        let address = line.trim().rsplit(['/', ' ']).next().and_then(|text| text.parse().ok());
        let Some(address) = address else {
            // Whether or not it still runs, it is of no use.
            let _ = child.kill();
            let _ = child.wait();
            let said = std::fs::read_to_string(log).unwrap_or_default();
            return Err(Failure::Program(
                format!("{command:?}"),
                format!("it gave no address: {line}{said}"),
            ));
        };
        Ok(Self { name, child, address, ready_after })
    }

    /// Waits until it starts no process and ends none for a while: what it had to do at first is done.
    pub fn settle(&self) {
        let (mut held, mut calm) = (Vec::new(), 0);
        while calm < CALM_LOOKS {
            std::thread::sleep(LOOK_AGAIN);
            let mut now = family(self.child.id());
            now.sort_unstable();
            calm = if now == held { calm + 1 } else { 0 };
            held = now;
        }
    }

    /// The interpreters below it that wait for a function, or to be copied, as the machine shows them.
    pub fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        let own = depth(self.child.id());
        for process in family(self.child.id()).into_iter().filter(|&process| waits(process)) {
            // A cell is in a pid namespace of its own.
            let is_cell = depth(process) > own;
            if is_cell { &mut waiting.cells } else { &mut waiting.zygotes }.push(process);
        }
        waiting
    }

    /// Whether all of these sleep: an interpreter that still starts has work to do.
    pub fn is_asleep(processes: &[u32]) -> bool {
        processes.iter().all(|&process| state(process).as_deref() == Some("S"))
    }

    /// Those of its processes that are copies of these: they alone have their stack where a zygote has its own.
    pub fn copies(&self, zygotes: &[u32]) -> Vec<u32> {
        let places: Vec<u64> = zygotes.iter().filter_map(|&zygote| stack(zygote)).collect();
        let is_copy = |process: &u32| stack(*process).is_some_and(|place| places.contains(&place));
        let others = family(self.child.id()).into_iter().filter(|process| !zygotes.contains(process));
        others.filter(is_copy).collect()
    }

    /// Milliseconds of processor time that it takes in a second in which nobody asks for anything, the average over `time`.
    pub fn idle_processor_time(&self, time: Duration) -> Result<f64, Failure> {
        self.settle();
        let before = processor_time(self.child.id());
        std::thread::sleep(time);
        let unread =
            || Failure::Program(self.name.to_owned(), "its processor time cannot be read".to_owned());
        let after = processor_time(self.child.id());
        let ticks = after.zip(before).map(|(after, before)| after - before).ok_or_else(unread)?;
        Ok(ticks as f64 * MILLISECONDS_PER_TICK / time.as_secs_f64())
    }

    /// Its resident memory in bytes: the server's own and that of all it has started.
    pub fn memory_bytes(&self) -> Result<u64, Failure> {
        let mut bytes = 0;
        for process in family(self.child.id()) {
            bytes += proportional_bytes(process).unwrap_or(0);
        }
        if bytes == 0 {
            return Err(Failure::Program(self.name.to_owned(), "its memory cannot be read".to_owned()));
        }
        Ok(bytes)
    }

    /// Ends it as an operator would, and waits.
    pub fn stop(mut self) -> Result<(), Failure> {
        let mut kill = Command::new("kill");
        kill.arg("-TERM").arg(self.child.id().to_string());
        kill.status().map_err(Failure::machine(format!("end {}", self.name)))?;
        let began = Instant::now();
        while began.elapsed() < END_WITHIN {
            let ended = self.child.try_wait().map_err(Failure::machine(format!("wait for {}", self.name)))?;
            if ended.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(Failure::Program(self.name.to_owned(), "it did not end when told to".to_owned()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // It is on its way out either way.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Interpreters that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Stem cells.
    pub cells: Vec<u32>,
    /// Zygotes.
    pub zygotes: Vec<u32>,
}

/// What `/proc` counts processor time in, on every Linux that there is.
const MILLISECONDS_PER_TICK: f64 = 10.0;

/// The variable that gives an interpreter room for the environment of a function that it does not have yet.
const ROOM: &[u8] = b"_HEARTH_STEM_ROOM=";

/// The processor time of a process, in ticks.
fn processor_time(process: u32) -> Option<u64> {
    Some(number(process, 14)? + number(process, 15)?)
}

/// Where the stack of a process begins, which is drawn at random when a program is started and kept by copies.
fn stack(process: u32) -> Option<u64> {
    number(process, 28).filter(|&place| place > 0)
}

/// What a process is at: running, sleeping and their like, by their letters.
fn state(process: u32) -> Option<String> {
    field(process, 3)
}

fn number(process: u32, place: usize) -> Option<u64> {
    field(process, place)?.parse().ok()
}

/// A field of `/proc/<pid>/stat`, by its place in proc(5), which is past the name.
fn field(process: u32, place: usize) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(place - 3).map(str::to_owned)
}

/// Whether a process is an interpreter that waits.
fn waits(process: u32) -> bool {
    let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
    let arguments = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
    arguments.split('\0').any(|word| word.starts_with("/var/runtime/bootstrap."))
        && environment.windows(ROOM.len()).any(|window| window == ROOM)
}

/// How many pid namespaces a process is in.
fn depth(process: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.map_or(0, |line| line.split_whitespace().count())
}

/// A process and all that descend from it.
fn family(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        next += 1;
        let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { continue };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}

/// The resident memory of a process in bytes, shared pages divided among those who share them.
pub fn proportional_bytes(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes << 10)
}
