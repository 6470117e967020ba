//! The languages measured: for each its interpreter on this machine, its functions, and the plain programs under them.
//!
//! It refuses to guess what Hearth would choose: the interpreter found here is the one that Hearth is told to use.

use crate::failure::Failure;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// One language, ready to be measured.
pub struct Language {
    /// `python`, `node`, `ruby`, `java` or `compiled`.
    pub name: &'static str,
    /// Lambda's name for its runtime.
    pub runtime: String,
    /// The interpreter; of compiled code, the program itself.
    pub program: PathBuf,
    /// As Lambda has it.
    pub handler: &'static str,
    /// Whether its runtime waits in stem cells for functions.
    pub has_cells: bool,
    /// Whether it is copied from zygotes when there is no cell.
    pub has_zygotes: bool,
    /// Whether some hundred of its environments fit a small machine.
    pub is_small: bool,
    /// A function that returns its event.
    pub trivial: Vec<u8>,
    /// One that makes an AWS client first, with what imports the same in a plain interpreter.
    pub typical: Option<(Vec<u8>, Plain)>,
    /// Arguments that make the program hand back what it reads from its standard input, a socket.
    pub echo: Vec<String>,
    /// What the start of an environment is held against.
    pub starts: Vec<Plain>,
}

/// A plain run of the interpreter that prints one line when it has done what it is there for.
#[derive(Clone)]
pub struct Plain {
    /// What it is called in the table.
    pub name: &'static str,
    /// Arguments to the program.
    pub arguments: Vec<String>,
}

/// What Hearth's own Python bootstrap imports of the standard library.
const PYTHON_MODULES: &str = "import importlib, json, logging, os, site, sys, time, traceback, _socket";
/// The same of the Node.js bootstrap.
const NODE_MODULES: &str =
    "for (const name of ['net', 'fs', 'util', 'module', 'path', 'url', 'http']) require(`node:${name}`)";

/// The same of the Ruby bootstrap.
const RUBY_MODULES: &str = "%w[json logger socket stringio].each { |name| require name }";

/// Says that the interpreter has come so far.
const PYTHON_DONE: &str = "import os; os.write(1, b'here\\n')";
const NODE_DONE: &str = "require('node:fs').writeSync(1, 'here\\n')";
const RUBY_DONE: &str = "$stdout.syswrite(\"here\\n\")";

/// Finds what this machine has. `folder` takes the programs of the floors; `echo` is the compiled one.
pub fn found(folder: &Path, echo: &Path, sdk: Option<&Path>) -> Result<Vec<Language>, Failure> {
    let mut languages = Vec::new();
    languages.extend(python(folder, sdk)?);
    languages.extend(node(folder, sdk)?);
    languages.extend(ruby(folder)?);
    languages.extend(java(folder)?);
    languages.push(compiled(echo)?);
    Ok(languages)
}

fn python(folder: &Path, sdk: Option<&Path>) -> Result<Option<Language>, Failure> {
    let asked = "import sys; print('python%d.%d' % sys.version_info[:2], sys.executable)";
    let Some((runtime, program)) = ask("python3", &["-c", asked]) else { return Ok(None) };
    let sdk = sdk.and_then(|sdk| newest(&sdk.join("python"))).filter(|sdk| sdk.join("boto3").exists());
    let typical = sdk.map(|sdk| {
        let text = format!(
            "import sys; sys.path.insert(0, {:?}); {PYTHON_MODULES}; import boto3; boto3.client('lambda', 'us-east-1'); {PYTHON_DONE}",
            sdk.display().to_string()
        );
        let plain = Plain { name: "python3 -S importing the same", arguments: texts(&["-S", "-c", &text]) };
        Ok((package("app.py", include_bytes!("../functions/typical.py"))?, plain))
    });
    Ok(Some(Language {
        name: "python",
        runtime,
        program,
        handler: "app.handler",
        has_cells: true,
        has_zygotes: true,
        is_small: true,
        trivial: package("app.py", include_bytes!("../functions/trivial.py"))?,
        typical: typical.transpose()?,
        echo: vec!["-S".to_owned(), placed(folder, "echo.py", include_str!("../floors/echo.py"))?],
        starts: vec![
            Plain { name: "python3 -S", arguments: texts(&["-S", "-c", PYTHON_DONE]) },
            Plain {
                name: "python3 -S, runtime's modules",
                arguments: vec!["-S".to_owned(), "-c".to_owned(), format!("{PYTHON_MODULES}; {PYTHON_DONE}")],
            },
        ],
    }))
}

fn node(folder: &Path, sdk: Option<&Path>) -> Result<Option<Language>, Failure> {
    let asked = "console.log(`nodejs${process.versions.node.split('.')[0]}.x`, process.execPath)";
    let Some((runtime, program)) = ask("node", &["-e", asked]) else { return Ok(None) };
    let sdk = sdk.and_then(|sdk| newest(&sdk.join("nodejs")));
    let sdk = sdk.filter(|sdk| sdk.join("node_modules/@aws-sdk/client-lambda").exists());
    let typical = sdk.map(|sdk| {
        // Imported as the function imports it, which takes longer than to require it.
        let text = format!(
            "import(require('node:module').createRequire({:?}).resolve('@aws-sdk/client-lambda'))\
             .then(({{LambdaClient}}) => {{ new LambdaClient({{region: 'us-east-1'}}); {NODE_DONE} }})",
            sdk.join("any.js").display().to_string()
        );
        let plain = Plain { name: "node importing the same", arguments: texts(&["-e", &text]) };
        Ok((package("index.mjs", include_bytes!("../functions/typical.mjs"))?, plain))
    });
    Ok(Some(Language {
        name: "node",
        runtime,
        program,
        handler: "index.handler",
        has_cells: true,
        has_zygotes: false,
        is_small: false,
        trivial: package("index.mjs", include_bytes!("../functions/trivial.mjs"))?,
        typical: typical.transpose()?,
        echo: vec![placed(folder, "echo.mjs", include_str!("../floors/echo.mjs"))?],
        starts: vec![
            Plain { name: "node", arguments: texts(&["-e", NODE_DONE]) },
            Plain {
                name: "node, runtime's modules",
                arguments: vec!["-e".to_owned(), format!("{NODE_MODULES}; {NODE_DONE}")],
            },
        ],
    }))
}

fn ruby(folder: &Path) -> Result<Option<Language>, Failure> {
    // Lambda has none before 3.2, for which an older one stands in.
    let asked = "print 'ruby', [RUBY_VERSION.to_f, 3.2].max, ' ', RbConfig.ruby";
    let Some((runtime, program)) = ask("ruby", &["-rrbconfig", "-e", asked]) else { return Ok(None) };
    Ok(Some(Language {
        name: "ruby",
        runtime,
        program,
        handler: "app.handler",
        has_cells: true,
        has_zygotes: false,
        is_small: false,
        trivial: package("app.rb", include_bytes!("../functions/trivial.rb"))?,
        typical: None,
        echo: vec![placed(folder, "echo.rb", include_str!("../floors/echo.rb"))?],
        starts: vec![
            Plain { name: "ruby", arguments: texts(&["-e", RUBY_DONE]) },
            Plain {
                name: "ruby, runtime's modules",
                arguments: vec!["-e".to_owned(), format!("{RUBY_MODULES}; {RUBY_DONE}")],
            },
        ],
    }))
}

/// None without a compiler for Java: its classes are compiled here.
fn java(folder: &Path) -> Result<Option<Language>, Failure> {
    let sources = [
        placed(folder, "Trivial.java", include_str!("../functions/Trivial.java"))?,
        placed(folder, "Echo.java", include_str!("../floors/Echo.java"))?,
    ];
    let compiled = Command::new("javac").arg("-d").arg(folder).args(sources).stderr(Stdio::null()).status();
    if !compiled.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let place = folder.display().to_string();
    let Some((runtime, program)) = ask("java", &["-cp", &place, "Echo", "ask"]) else { return Ok(None) };
    let class = std::fs::read(folder.join("Trivial.class"));
    let class = class.map_err(Failure::machine("read what was compiled"))?;
    // As Hearth starts it.
    let flags = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp", &place, "Echo"];
    Ok(Some(Language {
        name: "java",
        runtime,
        program,
        handler: "Trivial::handle",
        has_cells: true,
        has_zygotes: false,
        is_small: false,
        trivial: package("Trivial.class", &class)?,
        typical: None,
        echo: texts(&flags),
        starts: vec![Plain { name: "java", arguments: texts(&[&flags[..], &["ask"]].concat()) }],
    }))
}

fn compiled(echo: &Path) -> Result<Language, Failure> {
    let program = std::fs::read(echo).map_err(Failure::machine(format!("read {}", echo.display())))?;
    Ok(Language {
        name: "compiled",
        runtime: "provided.al2023".to_owned(),
        program: echo.to_path_buf(),
        handler: "bootstrap",
        has_cells: false,
        has_zygotes: false,
        is_small: true,
        trivial: package("bootstrap", &program)?,
        typical: None,
        echo: texts(&["socket"]),
        starts: vec![Plain { name: "the same program, plain", arguments: texts(&["nothing"]) }],
    })
}

impl Language {
    /// Runs the plain program once. The time from its start to its line; its end is waited for, but not measured.
    pub fn run(&self, plain: &Plain) -> Result<Duration, Failure> {
        let mut command = Command::new(&self.program);
        command.args(&plain.arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let failed = || Failure::machine(format!("run {command:?}"));
        let (started, read) = (failed(), failed());
        let began = Instant::now();
        let mut child = command.spawn().map_err(started)?;
        let mut output = child.stdout.take().expect("the output is piped");
        let mut byte = [0; 1];
        let said = output.read_exact(&mut byte);
        let took = began.elapsed();
        let status = child.wait().map_err(read)?;
        if said.is_ok() && status.success() {
            return Ok(took);
        }
        Err(Failure::Program(format!("{command:?}"), format!("it ended with {status}")))
    }
}

/// The installation that Hearth would use: the directory with the highest number.
fn newest(parent: &Path) -> Option<PathBuf> {
    let names = std::fs::read_dir(parent).ok()?.flatten().map(|entry| entry.file_name());
    let newest = names.filter_map(|name| name.to_str()?.parse::<u64>().ok()).max()?;
    Some(parent.join(newest.to_string()))
}

/// The runtime's name and the interpreter's own path, past shims and links of version managers.
fn ask(program: &str, arguments: &[&str]) -> Option<(String, PathBuf)> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (runtime, path) = text.trim().split_once(' ')?;
    output.status.success().then(|| (runtime.to_owned(), PathBuf::from(path)))
}

fn placed(folder: &Path, name: &str, text: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(Failure::machine(format!("write {}", path.display())))?;
    Ok(path.display().to_string())
}

/// A package of one executable file.
fn package(name: &str, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
    package_of(&[(name, bytes)])
}

/// A package of these files.
pub fn package_of(files: &[(&str, &[u8])]) -> Result<Vec<u8>, Failure> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let failed = |error| Failure::Machine("make a package".to_owned(), std::io::Error::other(error));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        writer.start_file(*name, options).map_err(failed)?;
        writer.write_all(bytes).map_err(Failure::machine("fill a package"))?;
    }
    Ok(writer.finish().map_err(failed)?.into_inner())
}

fn texts(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}
