// Every type of rootstock.d.ts in use, as a program in TypeScript would. It is checked, not run.
import {
    ABI_VERSION,
    ERRORS,
    HandleStore,
    OPTIONS,
    type OptionName,
    Program,
    Runtime,
    RootstockError,
    STATS,
    Scope,
    Slot,
    Views,
    hostModule,
    instantiate,
    instantiateSync,
} from '../rootstock.js';

interface Decimal {
    digits: bigint;
}

async function main(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
    const handles = new HandleStore<Decimal>({ limit: 1000 });
    const runtime = await instantiate<Decimal>(fetch('runtime.wasm'), {
        handles,
        configure: { EAGER: 1, POISON: true },
        onDecref(kind, handle, value, inside) {
            const digits: bigint | undefined = value?.digits;
            inside.scope((scope) => scope.push(inside.alloc(kind + handle + Number(digits))));
        },
    });
    const other: Runtime = instantiateSync(new WebAssembly.Module(bytes), { prefix: 'gc.', name: 'merged.wasm', imports: {} });

    const p: number = runtime.scope((scope: Scope) => {
        const slot: Slot = scope.slot();
        slot.value = runtime.alloc(16);
        return scope.push(slot.value) + slot.address;
    });
    {
        using scope = runtime.openScope();
        scope.push(p);
    }
    const handle: number = runtime.wrap(p, 1, { digits: 5n }, 100);
    const digits: bigint = runtime.handles.value(handle).digits + (handles.get(handle)?.value.digits ?? 0n);
    // @ts-expect-error: the store holds decimals
    runtime.wrap(p, 1, 'text');
    // @ts-expect-error: there is no such option
    runtime.configure({ EAGRE: 1 });
    // @ts-expect-error: nor such a statistic
    runtime.stat('COLECTIONS');
    // @ts-expect-error: runtimes are made by `instantiate`
    new Runtime();

    const seen: { kind: number; handle: number } | undefined = runtime.wrapper(p);
    runtime.notify((seen?.kind ?? 0) + runtime.notify() + (runtime.tryAllocAtomic(8) ?? 0));
    const stack: number = runtime.newStack(100);
    runtime.freeStack(runtime.switchStack(stack) + runtime.stackEnd + runtime.stackLimit);

    const old: Partial<Record<OptionName, number>> = runtime.configure({ VERIFY: true });
    runtime.configure(old);
    const views: Views = new Views(runtime.memory.memory);
    views.u32[p >>> 2] = views.u8[p]! + views.f64.length + views.i32.length + views.data.byteLength;
    views.write(p, views.read(p, 4));

    const program: Program = await runtime.link(bytes, { name: 'list.wasm', imports: { host: hostModule(runtime, console.log) } });
    const sum: bigint = program.call('main', 10n, 3);
    const promised: Promise<bigint> = program.callAsync('main', 10n, 3);
    await promised;
    const same: number = runtime.call(runtime.exports.alloc, 16);
    try {
        other.linkSync(bytes);
    } catch (error) {
        if (error instanceof RootstockError && error.code === 'ABI_VERSION') {
            return error.found ?? ABI_VERSION;
        }
        throw error;
    }
    const { live, isClean, faults } = handles.audit();
    const names = [...OPTIONS, ...STATS, ...ERRORS].map(({ name, number }) => `${name} ${number}`);
    const { LIVE_BYTES } = runtime.stats();
    const waiting = [...handles.live()].map(([number, { generation }]) => number + generation);
    return live + faults.length + names.length + LIVE_BYTES + waiting.length + same + Number(sum + digits) + Number(isClean);
}

void main(new Uint8Array());
