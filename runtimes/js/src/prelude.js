// What a function finds beside the language itself. Evaluated once in a sandbox, before the function's code, with
// `host`: what Rust does for it. Gives back what Rust calls. Names are taken here, before a function can change them.
(function (host) {
  'use strict';
  const { parse, stringify } = JSON;
  const { defineProperty, prototype } = Object;
  const evaluate = eval;
  const define = (name, value) =>
    defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });

  // ---- console: everything goes to stderr, stdout belongs to replies
  const shown = (value) => {
    try {
      if (typeof value === 'string') return value;
      if (value instanceof Error) return `${value}\n${value.stack ?? ''}`.trimEnd();
      if (typeof value === 'object') return stringify(value) ?? prototype.toString.call(value);
      return String(value);
    } catch {
      return prototype.toString.call(value);
    }
  };
  const print = (...values) => host.print(`${values.map(shown).join(' ')}\n`.toWellFormed());
  define('console', { log: print, info: print, warn: print, error: print, debug: print, trace: print });

  // ---- timers: in the order in which they fall due
  const timers = [];
  let made = 0;
  const insert = (timer) => {
    let low = 0;
    for (let high = timers.length; low < high; ) {
      const middle = (low + high) >>> 1;
      if (timers[middle].at <= timer.at) low = middle + 1;
      else high = middle;
    }
    timers.splice(low, 0, timer);
  };
  const schedule = (repeated) => (callback, delay, ...args) => {
    if (typeof callback !== 'function') throw new TypeError(`a timer calls a function, not ${typeof callback}`);
    const wait = Math.max(Number(delay) || 0, repeated ? 1 : 0);
    insert({ id: ++made, at: host.now() + wait, every: repeated ? wait : 0, callback, args });
    return made;
  };
  const clear = (id) => {
    const at = timers.findIndex((timer) => timer.id === id);
    if (at >= 0) timers.splice(at, 1);
  };
  define('setTimeout', schedule(false));
  define('setInterval', schedule(true));
  define('setImmediate', (callback, ...args) => setTimeout(callback, 0, ...args));
  define('clearTimeout', clear);
  define('clearInterval', clear);
  define('clearImmediate', clear);

  // Fires the timer that is due, if one is. How many milliseconds there is nothing to do; -1: for ever.
  const turn = () => {
    const timer = timers[0];
    if (!timer) return -1;
    const wait = timer.at - host.now();
    if (wait > 0) return wait;
    timers.shift();
    if (timer.every) {
      timer.at = host.now() + timer.every;
      insert(timer);
    }
    const { callback, args } = timer;
    callback(...args);
    return 0;
  };

  // ---- text and bytes
  const bytesOf = (data) => {
    if (data === undefined) return new Uint8Array();
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return new Uint8Array(data);
  };
  define('TextEncoder', class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return host.encode(String(text).toWellFormed()); }
  });
  define('TextDecoder', class TextDecoder {
    #fatal;
    constructor(label = 'utf-8', options) {
      if (!/^\s*utf-?8\s*$/i.test(label)) throw new RangeError(`TextDecoder: ${label} is not decoded here, utf-8 is`);
      this.#fatal = Boolean(options?.fatal);
    }
    get encoding() { return 'utf-8'; }
    get fatal() { return this.#fatal; }
    decode(data, options) {
      if (options?.stream) throw new TypeError('TextDecoder: whole texts are decoded here, not streams');
      const text = host.decode(bytesOf(data), this.#fatal);
      if (text === undefined) throw new TypeError('TextDecoder: the bytes are not utf-8');
      return text;
    }
  });

  // ---- chance and time: a snapshot's clones must share neither, so that both are Rust's
  defineProperty(Math, 'random', { value: () => host.random(), writable: true, configurable: true });
  define('performance', { now: () => host.now(), get timeOrigin() { return host.origin(); } });
  define('crypto', {
    getRandomValues(view) {
      const bytes = bytesOf(view);
      if (bytes.length > 65536) throw new RangeError('getRandomValues: 65536 bytes are given at once');
      bytes.set(host.entropy(bytes.length));
      return view;
    },
    randomUUID() {
      const bytes = host.entropy(16);
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      return [[0, 4], [4, 6], [6, 8], [8, 10], [10, 16]].map(([from, to]) => bytes.slice(from, to).toHex()).join('-');
    },
  });

  // ---- what programs written for Node.js look for first
  const env = {};
  // Read where they are asked for: most calls don't, and are not to pay for it.
  for (const [name, key] of [['__OW_ACTIVATION_ID', 'id'], ['__OW_DEADLINE', 'deadline_ms']]) {
    defineProperty(env, name, {
      enumerable: true,
      configurable: true,
      get() {
        const value = parse(host.meta())[key];
        return value === undefined ? undefined : String(value);
      },
      set(value) { defineProperty(env, name, { value, writable: true, enumerable: true, configurable: true }); },
    });
  }
  define('global', globalThis);
  define('process', { env, argv: [], platform: 'kiln', cwd: () => '/', nextTick: (call, ...args) => queueMicrotask(() => call(...args)) });
  define('exports', {});
  define('module', { exports: globalThis.exports });
  define('require', (name) => {
    const error = new Error(`Cannot find module '${name}': a function is one file here, bundle what it needs into it`);
    error.code = 'MODULE_NOT_FOUND';
    throw error;
  });

  // ---- what Rust calls
  const setEnv = (values) => {
    for (const name of Object.keys(values)) {
      const value = values[name];
      defineProperty(env, name, {
        value: typeof value === 'string' ? value : stringify(value),
        writable: true, enumerable: true, configurable: true,
      });
    }
  };

  // Whether code is a script's: what has `export` or `import` on its outermost level doesn't compile as one.
  const isScript = (code) => {
    try {
      Function(code);
      return true;
    } catch {
      return false;
    }
  };

  // The function that a name stands for: exported by an ES module or by CommonJS, else global. Undefined if none is.
  const find = (path, namespace) => {
    const names = path.split('.');
    const from = (where) => names.reduce((found, name) => found?.[name], where);
    const found = (value) => typeof value === 'function';
    const whole = (value) => (path === 'main' && found(value) ? value : from(value));
    if (namespace) return [from(namespace), whole(namespace.default)].find(found);
    const global = () => {
      // A top-level `const main` is nobody's property: only code can name it.
      if (!names.every((name) => /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name))) return undefined;
      try {
        return names.slice(1).reduce((value, name) => value?.[name], evaluate(names[0]));
      } catch {
        return undefined;
      }
    };
    return [whole(globalThis.module?.exports), from(globalThis.exports), global()].find(found);
  };

  // What a caller is told of something thrown: where, and what it says. The whole of it goes to stderr.
  const told = (thrown, file) => {
    const stack = thrown instanceof Error ? String(thrown.stack ?? '') : '';
    if (stack) print(thrown);
    const at = stack.indexOf(`${file}:`);
    const line = at < 0 ? NaN : parseInt(stack.slice(at + file.length + 1), 10);
    const place = line > 0 ? `${file}:${line}` : file;
    const text = thrown instanceof Error ? String(thrown) : shown(thrown);
    return `${place}: ${text}`.toWellFormed();
  };

  const promised = (thenable) => Promise.resolve(thenable);

  return { turn, setEnv, isScript, find, told, promised };
})
