//! Links a program with the runtime, as a compiler does after it has written the program: `link [OUTPUT]`.

use std::error::Error;
use std::{env, fs};

use rootstock_link::{Linker, Program};

fn main() -> Result<(), Box<dyn Error>> {
    let output = env::args().nth(1).unwrap_or_else(|| "pair.wasm".into());
    let program = Program::from_bytes("pair.wat", include_bytes!("pair.wat"))?;
    let linked = Linker::new().export_runtime("gc.").link(&program)?;
    fs::write(&output, linked.wasm())?;
    println!(
        "{output}: {} of the runtime's {} functions",
        linked.report().kept,
        linked.report().of
    );
    Ok(())
}
