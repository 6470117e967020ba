//! System calls in the name of another process: one that is traced and stopped is given the registers of a call, steps over the
//! instruction that makes it, and stops again. What it had is put back before it goes on, so that the program in it notices
//! nothing.
//!
//! It knows the machine's registers and no purpose. It refuses a process that does not stand in a `read`, whose
//! instruction it needs, and every processor but x86-64, whose registers are all that it knows.

use std::fs::File;
use std::io;
#[cfg(target_arch = "x86_64")]
use std::os::unix::fs::FileExt;

/// A process that is traced and stopped.
#[cfg(target_arch = "x86_64")]
pub struct Remote {
    pid: i32,
    memory: File,
    /// The registers with which it goes on.
    home: crate::kernel::Registers,
    /// Where its memory has an instruction that makes a system call.
    instruction: u64,
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::{File, FileExt, Remote, io};
    use crate::kernel;
    use crate::steps::BEFORE;

    // Places in `Registers`.
    const R13: usize = 2;
    const RBP: usize = 4;
    const RBX: usize = 5;
    const RAX: usize = 10;
    const ORIG_RAX: usize = 15;
    const RDI: usize = 14;
    const RIP: usize = 16;
    /// Where the arguments of a system call go.
    const ARGUMENTS: [usize; 6] = [RDI, 13, 12, 7, 9, 8];
    /// `syscall`.
    const INSTRUCTION: [u8; 2] = [0x0f, 0x05];
    /// `ORIG_RAX` of a thread that is in no system call, and restarts none.
    const NONE: u64 = u64::MAX;
    /// Where a status of `waitpid` tells an event of ptrace.
    const EVENT_SHIFT: i32 = 16;
    const ERRNO_MAX: i32 = 4095;

    impl Remote {
        /// Makes the calls of a list, of `WORDS` words each, and stops: RBX is where the next one is, RBP how many are left, R12 what
        /// the last one gave, and R13 what stands for that in the place of a first argument.
        #[rustfmt::skip]
        pub const LIST_CODE: &[u8] = &[
            0x48, 0x8b, 0x03,                   // next: mov rax, [rbx]
            0x48, 0x8b, 0x7b, 0x08,             // mov rdi, [rbx + 8]
            0x48, 0x8b, 0x73, 0x10,             // mov rsi, [rbx + 16]
            0x48, 0x8b, 0x53, 0x18,             // mov rdx, [rbx + 24]
            0x4c, 0x8b, 0x53, 0x20,             // mov r10, [rbx + 32]
            0x4c, 0x39, 0xef,                   // cmp rdi, r13
            0x49, 0x0f, 0x44, 0xfc,             // cmove rdi, r12
            0x0f, 0x05,                         // syscall
            0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, // cmp rax, -4095
            0x73, 0x0c,                         // jae stop
            0x49, 0x89, 0xc4,                   // mov r12, rax
            0x48, 0x83, 0xc3, 0x28,             // add rbx, 40
            0x48, 0xff, 0xcd,                   // dec rbp
            0x75, 0xd0,                         // jnz next
            0xcc,                               // stop: int3
        ];

        /// Stops a process that waits in `read`; `memory` is its file of that name in `/proc`. `WouldBlock` when it does not wait.
        pub fn seize(pid: i32, memory: File) -> io::Result<Self> {
            kernel::trace(pid)?;
            stopped(pid)?;
            let mut home = kernel::registers(pid)?;
            let read = libc::SYS_read.cast_unsigned();
            if home[ORIG_RAX] == read {
                // It is in the call, and makes it once more when it goes on.
                home[RIP] = home[RIP].wrapping_sub(INSTRUCTION.len() as u64);
                home[RAX] = read;
                home[ORIG_RAX] = NONE;
            }
            // Otherwise it has perhaps not come to make it again.
            let instruction = home[RIP];
            let mut found = [0; INSTRUCTION.len()];
            memory.read_exact_at(&mut found, instruction)?;
            if (home[RAX], home[ORIG_RAX], found) != (read, NONE, INSTRUCTION) {
                kernel::trace_no_more(pid)?;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(Self { pid, memory, home, instruction })
        }

        /// A copy that `self` has just made.
        fn copy(&self, pid: i32, memory: File) -> io::Result<Self> {
            stopped(pid)?;
            Ok(Self { pid, memory, home: self.home, instruction: self.instruction })
        }

        /// The descriptor that it reads from.
        pub fn line(&self) -> u64 {
            self.home[RDI]
        }

        pub fn pid(&self) -> i32 {
            self.pid
        }

        /// Makes a system call.
        pub fn call(&self, number: i64, arguments: &[u64]) -> io::Result<u64> {
            self.begin(number, arguments)?;
            self.step()?;
            self.result()
        }

        /// Makes the calls of a list, which its memory has, as it has the code above. The one that fails is told by its place.
        pub fn call_all(&self, code: u64, (list, count): (u64, usize)) -> Result<(), (usize, io::Error)> {
            let mut registers = self.ready_at(code);
            (registers[RBX], registers[RBP]) = (list, count as u64);
            registers[R13] = BEFORE;
            let whole = |error| (0, error);
            kernel::set_registers(self.pid, &registers).map_err(whole)?;
            kernel::run_on(self.pid).map_err(whole)?;
            self.trapped().map_err(whole)?;
            let left = kernel::registers(self.pid).map_err(whole)?[RBP];
            if left == 0 {
                return Ok(());
            }
            let failed = count.saturating_sub(usize::try_from(left).unwrap_or(count));
            let untold = || io::Error::other("it did not come to its end");
            Err((failed, self.result().err().unwrap_or_else(untold)))
        }

        /// Makes a system call that copies the process, and gives the copy, which has not run yet. `memory` opens its file
        /// of that name.
        pub fn call_for_copy(
            &self,
            number: i64,
            arguments: &[u64],
            memory: impl FnOnce(i32) -> io::Result<File>,
        ) -> io::Result<Self> {
            self.begin(number, arguments)?;
            kernel::step(self.pid)?;
            let status = stopped(self.pid)?;
            if status >> EVENT_SHIFT == 0 {
                // It has come back without a copy.
                self.result()?;
                return Err(io::Error::other("no copy was made"));
            }
            let copy = kernel::copy_made(self.pid)?;
            let copy = self.copy(copy, memory(copy)?)?;
            self.step()?;
            self.result()?;
            Ok(copy)
        }

        /// Ends it, and waits until it has.
        pub fn end(self) -> io::Result<()> {
            self.begin(libc::SYS_exit_group, &[0])?;
            kernel::run_on(self.pid)?;
            let status = kernel::wait_for_stop(self.pid)?;
            if libc::WIFEXITED(status) { Ok(()) } else { Err(io::Error::other("it did not end")) }
        }

        /// Lets it go on as if nothing had been.
        pub fn release(self) -> io::Result<()> {
            kernel::set_registers(self.pid, &self.home)?;
            kernel::trace_no_more(self.pid)
        }

        pub fn write(&self, bytes: &[u8], address: u64) -> io::Result<()> {
            self.memory.write_all_at(bytes, address)
        }

        pub fn read(&self, bytes: &mut [u8], address: u64) -> io::Result<()> {
            self.memory.read_exact_at(bytes, address)
        }

        fn begin(&self, number: i64, arguments: &[u64]) -> io::Result<()> {
            let mut registers = self.ready_at(self.instruction);
            registers[RAX] = number.cast_unsigned();
            ARGUMENTS.iter().zip(arguments).for_each(|(at, argument)| registers[*at] = *argument);
            kernel::set_registers(self.pid, &registers)
        }

        /// The registers to go on with at an instruction, in no system call, and with 0 for each argument of one.
        fn ready_at(&self, instruction: u64) -> kernel::Registers {
            let mut registers = self.home;
            registers[RIP] = instruction;
            registers[ORIG_RAX] = NONE;
            ARGUMENTS.iter().for_each(|at| registers[*at] = 0);
            registers
        }

        fn step(&self) -> io::Result<()> {
            kernel::step(self.pid)?;
            self.trapped()
        }

        /// Waits until it stops where it was to stop.
        fn trapped(&self) -> io::Result<()> {
            let status = stopped(self.pid)?;
            if libc::WSTOPSIG(status) == libc::SIGTRAP && status >> EVENT_SHIFT == 0 {
                return Ok(());
            }
            Err(io::Error::other(format!("it stopped with {status:#x}")))
        }

        fn result(&self) -> io::Result<u64> {
            let result = kernel::registers(self.pid)?[RAX];
            let error = i32::try_from(-i128::from(result.cast_signed())).unwrap_or(0);
            if (1..=ERRNO_MAX).contains(&error) {
                return Err(io::Error::from_raw_os_error(error));
            }
            Ok(result)
        }
    }

    /// Waits until it stops, and gives the status.
    fn stopped(pid: i32) -> io::Result<i32> {
        let status = kernel::wait_for_stop(pid)?;
        if libc::WIFSTOPPED(status) { Ok(status) } else { Err(io::Error::other("it has ended")) }
    }
}

/// There is none where the registers are not known.
#[cfg(not(target_arch = "x86_64"))]
pub enum Remote {}

#[cfg(not(target_arch = "x86_64"))]
#[allow(clippy::unused_self, clippy::needless_pass_by_value, reason = "it stands for the one above")]
impl Remote {
    pub const LIST_CODE: &[u8] = &[];

    pub fn seize(_: i32, _: File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn line(&self) -> u64 {
        match *self {}
    }

    pub fn pid(&self) -> i32 {
        match *self {}
    }

    pub fn call(&self, _: i64, _: &[u64]) -> io::Result<u64> {
        match *self {}
    }

    pub fn call_all(&self, _: u64, _: (u64, usize)) -> Result<(), (usize, io::Error)> {
        match *self {}
    }

    pub fn call_for_copy(
        &self,
        _: i64,
        _: &[u64],
        _: impl FnOnce(i32) -> io::Result<File>,
    ) -> io::Result<Self> {
        match *self {}
    }

    pub fn end(self) -> io::Result<()> {
        match self {}
    }

    pub fn release(self) -> io::Result<()> {
        match self {}
    }

    pub fn write(&self, _: &[u8], _: u64) -> io::Result<()> {
        match *self {}
    }

    pub fn read(&self, _: &mut [u8], _: u64) -> io::Result<()> {
        match *self {}
    }
}
