// AssemblyScript's compiler, as a module that a host drives: one program at a time.

import "./glue";
import * as asc from "./src/index-wasm";
import { Module } from "./src/module";
import { Options } from "./src/compiler";
import { Program } from "./src/program";

let options: Options = asc.newOptions();
let program: Program | null = null;
let module: Module | null = null;

/** Begins a program, with the options that `asc` sets where it is given none. */
export function begin(major: i32, minor: i32, patch: i32): void {
  options = asc.newOptions();
  asc.setRuntime(options, 2);
  asc.setExportMemory(options, true);
  asc.setBundleVersion(options, major, minor, patch);
  asc.setStackSize(options, asc.DEFAULT_STACK_SIZE);
  asc.setOptimizeLevelHints(options, 0, 0);
  module = null;
  program = null;
}

export function use(alias: string, name: string): void {
  asc.addGlobalAlias(options, alias, name);
}

/** A file, in the order in which `asc` parses them; no text if there is none. */
export function parse(text: string | null, path: string, isEntry: bool): void {
  if (!program) program = asc.newProgram(options);
  asc.parse(program!, text, path, isEntry);
}

/** The next file that is imported and was not parsed. */
export function nextFile(): string | null {
  return asc.nextFile(program!);
}

export function dependeeOf(path: string): string | null {
  return asc.getDependee(program!, path);
}

/** The module, in Binaryen. */
export function compile(): usize {
  asc.initializeProgram(program!);
  module = asc.compile(program!);
  return asc.getBinaryenModuleRef(module!);
}

/** What `asc` does before it writes a module. */
export function finish(): bool {
  if (!asc.validate(module!)) return false;
  asc.optimize(module!, 0, 0);
  return true;
}

/** What was found to be wrong, one after the other; only errors. */
export function nextError(): string | null {
  let message = asc.nextDiagnostic(program!);
  while (message && !asc.isError(message)) message = asc.nextDiagnostic(program!);
  return message ? asc.formatDiagnostic(message, false, true) : null;
}

/** Forgets the program, as a host does that goes on to another one. */
export function end(): void {
  program = null;
  module = null;
  options = asc.newOptions();
  __collect();
}
