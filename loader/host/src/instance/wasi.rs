//! WASI for the programs of an instance.

use wasmtime::Module;

use super::Instance;
use crate::error::Error;
use crate::wasi;

impl Instance {
    /// Sets WASI up for a module that imports it, if it was asked for and nothing else has been published under its name.
    pub(crate) fn give_wasi(&mut self, module: &Module) -> Result<(), Error> {
        let state = self.store.data();
        let Some(wasi) = state.wasi_given.clone().filter(|_| wasi::is_imported(module)) else {
            return Ok(());
        };
        if state.wasi.is_none() {
            self.store.data_mut().wasi = Some(Box::new(wasi.build()?));
        }
        for name in wasi::MODULES {
            let is_missing = |import: &str| self.linker.get(&mut self.store, name, import).is_err();
            let mut wanted = module.imports().filter(|import| import.module() == name);
            if wanted.next().map(|import| import.name()).is_some_and(is_missing) {
                wasi::define(&mut self.linker, name)
                    .map_err(|error| Error::engine("WASI cannot be defined", &error))?;
            }
        }
        Ok(())
    }
}
