//! Samples in V8: a node that runs `node.mjs`, one for each rival and workload, which takes one sample for each line
//! that it is sent.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::Sample;
use crate::expected::Expected;
use crate::guest::Code;
use crate::memory::{PeakWatch, resident};
use crate::pause::Pauses;
use crate::rival::Rival;
use crate::rounds::Sampler;
use crate::tools::Tools;
use crate::workload::{Scale, Workload};

/// A node that is ready.
pub struct InNode {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    request: String,
    expected: Expected,
    /// Resident memory when it had done nothing.
    before: Option<u64>,
    /// The folder of its modules, for as long as it runs.
    _folder: tempfile::TempDir,
}

#[derive(Serialize)]
struct Request<'a> {
    allocator: Option<&'a Path>,
    guest: &'a Path,
    suffix: String,
    setup: u32,
    n: u32,
    m: u32,
    options: &'a [(u32, u32)],
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Failed { error: String },
    // 64-bit integers as text.
    Ran { nanoseconds: f64, result: String, check: String, told: u64, linear: Option<u64> },
}

impl InNode {
    /// Starts a node, and runs once to let V8 compile what it will.
    pub fn start(
        code: &Code,
        rival: &Rival,
        workload: &Workload,
        scale: Scale,
        tools: &Tools,
    ) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let written = |name: &str, module: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, module).map_err(|error| error.to_string())?;
            Ok::<_, String>(path)
        };
        let allocator =
            code.allocator.as_ref().map(|module| written("allocator.wasm", module)).transpose()?;
        let guest = written("guest.wasm", &code.guest)?;
        let args = workload.args(scale);
        let request = Request {
            allocator: allocator.as_deref(),
            guest: &guest,
            suffix: format!("_{}", workload.id),
            setup: args.setup,
            n: args.n,
            m: args.m,
            options: &rival.options,
        };
        let request = serde_json::to_string(&request).map_err(|error| error.to_string())?;

        let mut child = Command::new(tools.node()?)
            .args(["--expose-gc", "--stack-size=3900"])
            .arg(crate::tools::root().join("bench/node.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("node cannot be started: {error}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or("node has no pipes")?;
        let output = BufReader::new(output);
        let expected = workload.expected(args);
        let mut node =
            Self { child, input, output, request, expected, before: None, _folder: folder };
        node.wait()?;
        node.before = resident(&node.child.id().to_string());
        node.sample()?;
        Ok(node)
    }
}

impl InNode {
    /// Waits for the line that says that it is there.
    fn wait(&mut self) -> Result<(), String> {
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| format!("node: {error}"))?;
        if line.trim() == "ready" { Ok(()) } else { Err(format!("node ended, or said {line:?}")) }
    }
}

impl Sampler for InNode {
    fn sample(&mut self) -> Result<Sample, String> {
        let watch = PeakWatch::since(&self.child.id().to_string(), self.before);
        writeln!(self.input, "{}", self.request).map_err(|error| format!("node: {error}"))?;
        let mut line = String::new();
        self.output.read_line(&mut line).map_err(|error| format!("node: {error}"))?;
        let answer: Answer =
            serde_json::from_str(&line).map_err(|_| format!("node ended, or said {line:?}"))?;
        let (nanoseconds, result, check, told, linear) = match answer {
            Answer::Failed { error } => return Err(error),
            Answer::Ran { nanoseconds, result, check, told, linear } => {
                (nanoseconds, result, check, told, linear)
            }
        };
        let parse = |text: String| text.parse::<i64>().map_err(|_| format!("node said {text:?}"));
        let found = Expected { result: parse(result)?, check: parse(check)?, told };
        if found != self.expected {
            return Err(format!("gave a wrong result: {found:?} instead of {:?}", self.expected));
        }
        Ok(Sample {
            time: Duration::from_secs_f64(nanoseconds / 1e9),
            peak: watch.peak(),
            linear,
            pauses: Pauses::default(),
            fuel: None,
        })
    }
}

impl Drop for InNode {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
