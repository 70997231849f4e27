/**
 * Rootstock from JavaScript: instantiates the runtime, links programs with it, and is their host.
 *
 * The modules, in the order in which a request travels through them:
 *
 *   source.js   bytes, a Response or a Module become a module that the engine has accepted
 *   load.js     the runtime, instantiated, and its host
 *   abi.js      what the runtime exports, and whether an instance is it, in the right version
 *   runtime.js  the runtime as an object; what it exports, as methods
 *   program.js  a program as an object
 *   suspend.js  programs that wait for promises, each activation on a shadow stack of its own
 *   scope.js    roots that last as long as a function or a block
 *   views.js    linear memory, in views that survive its growth
 *   handles.js  what a program's handles stand for, and what became of them
 *   host.js     the functions that `rootstock run` gives to programs
 *   imports.js  whether a program's imports can be had
 *   outline.js  what can be seen of a module without running it
 *   traps.js    what a trap means
 *   errors.js   the one class of errors
 *   tables.js   the ABI's tables of options, statistics and errors
 */
export { ABI_VERSION } from './src/abi.js';
export { RootstockError } from './src/errors.js';
export { HandleStore } from './src/handles.js';
export { hostModule } from './src/host.js';
export { instantiate, instantiateSync } from './src/load.js';
export { Program } from './src/program.js';
export { Runtime } from './src/runtime.js';
export { Scope, Slot } from './src/scope.js';
export { ERRORS, OPTIONS, STATS } from './src/tables.js';
export { Views } from './src/views.js';
