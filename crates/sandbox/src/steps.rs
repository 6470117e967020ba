//! Lists of system calls that a process makes in one go: to stop it after each takes longer than most of the calls.

use crate::Fault;
use crate::remote::Remote;
use std::io;

/// In place of the first argument of a call: what the call before gave. No descriptor, number or address is this.
pub const BEFORE: u64 = 1 << 63;
/// The words of a call: its number, and its arguments.
pub const WORDS: usize = 5;

/// A list, and the memory that its arguments point to.
pub struct Steps {
    /// Where the process has room for all this, and how much.
    room: (u64, u64),
    data: Vec<u8>,
    calls: Vec<[u64; WORDS]>,
    acts: Vec<&'static str>,
}

impl Steps {
    /// Makes an empty list. The process may write to the room at this address, of so many bytes, and run what is in it.
    pub fn new(room: (u64, u64)) -> Self {
        Self { room, data: Vec::new(), calls: Vec::new(), acts: Vec::new() }
    }

    /// Puts something where arguments can point to, and tells where that is.
    pub fn put(&mut self, bytes: &[u8]) -> u64 {
        self.data.resize(self.data.len().next_multiple_of(size_of::<u64>()), 0);
        let address = self.room.0 + self.data.len() as u64;
        self.data.extend_from_slice(bytes);
        address
    }

    /// Adds a call. Arguments that are left out are 0.
    pub fn call(&mut self, number: i64, arguments: &[u64], act: &'static str) {
        let mut words = [0; WORDS];
        words[0] = number.cast_unsigned();
        words[1..][..arguments.len()].copy_from_slice(arguments);
        self.calls.push(words);
        self.acts.push(act);
    }

    /// Has the process make the calls, until one fails.
    pub fn make(mut self, process: &Remote) -> Result<(), Fault> {
        let calls = std::mem::take(&mut self.calls);
        let bytes: Vec<u8> = calls.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect();
        let list = self.put(&bytes);
        let code = self.put(Remote::LIST_CODE);
        if self.data.len() as u64 > self.room.1 {
            return Err(Fault::at("write", "a copy's memory")(io::ErrorKind::StorageFull.into()));
        }
        process.write(&self.data, self.room.0).map_err(Fault::at("write", "a copy's memory"))?;
        process
            .call_all(code, (list, calls.len()))
            .map_err(|(failed, error)| Fault::at(self.acts[failed], "for a copy")(error))
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::io::{Read, Write};
    use std::process::{Command, Stdio};

    #[test]
    fn a_list_is_made_until_a_call_fails_and_nothing_is_noticed() {
        let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(cat.id()).unwrap();
        let reads = format!("{} ", libc::SYS_read);
        while !fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap().starts_with(&reads) {
            std::thread::yield_now();
        }
        let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem")).unwrap();
        let process = Remote::seize(pid, memory).unwrap();
        let access = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC).unsigned_abs().into();
        let kind = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).unsigned_abs().into();
        let room = process.call(libc::SYS_mmap, &[0, 4096, access, kind, u64::MAX, 0]).unwrap();
        let steps = || Steps::new((room, 4096));

        let mut greeting = steps();
        let text = greeting.put(b"hello");
        greeting.call(libc::SYS_dup, &[1], "copy a descriptor");
        greeting.call(libc::SYS_write, &[BEFORE, text, 5], "greet");
        greeting.make(&process).unwrap();
        let mut failing = steps();
        let text = failing.put(b"never");
        failing.call(libc::SYS_getpid, &[], "ask");
        failing.call(libc::SYS_close, &[u32::MAX.into()], "let go of nothing");
        failing.call(libc::SYS_write, &[1, text, 5], "go on");
        let fault = failing.make(&process).unwrap_err();
        assert!(fault.to_string().contains("let go of nothing"), "{fault}");
        assert_eq!(fault.source.raw_os_error(), Some(libc::EBADF));
        let mut large = steps();
        large.put(&[0; 4096]);
        assert!(large.make(&process).is_err(), "there is no room for it");

        process.release().unwrap();
        cat.stdin.take().unwrap().write_all(b", cat").unwrap();
        let mut said = String::new();
        cat.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "hello, cat");
        assert!(cat.wait().unwrap().success());
    }
}
