// What is asked of asc while it compiles for Rootstock, by the hooks that it has for transforms.

/** A flag of the compiler's elements: declared as a constant. */
const CONST = 1 << 3;

/** The hooks of one compilation. */
export class Hooks {
    /** Names of constants: a host is not to set them, though they may be exported as globals that are mutable. */
    constants = new Set();
    /** True if a class of another library than the compiler's has a visitor. (Those of programs are never called.) */
    visitors = false;
    #files;
    #merged;
    #program;

    /**
     * @param files the compiler's library
     * @param {{merged: boolean}} options
     */
    constructor(files, { merged }) {
        this.#files = files;
        this.#merged = merged;
    }

    afterInitialize(program) {
        this.#program = program;
        for (const element of program.elementsByName.values()) {
            if (element.flags & CONST) this.constants.add(element.internalName);
            if (element.instanceMembers?.has('__visit') && this.#isOfLibrary(element.internalName)) this.visitors = true;
        }
    }

    #isOfLibrary(name) {
        const [, file] = name.match(/^~lib\/(.*)\/[^/]+$/) ?? [];
        return file !== undefined && !Object.hasOwn(this.#files, file);
    }

    /** Bindings come after this: those of a merged program must not ask for the runtime, which is in it. */
    afterCompile() {
        if (!this.#merged) return;
        const imports = this.#program.moduleImports;
        const used = imports.get('runtime');
        imports.delete('runtime');
        // a program that registers wrappers needs the function that notifies the host
        const hasWrappers = ['register_wrapper', 'register_wrapper_sized'].some((name) => used?.has(name));
        if (hasWrappers && !imports.has('host')) imports.set('host', new Map());
    }
}
