// Prints what happens as it happens, and keeps the account of it.

const TTY = process.stderr.isTTY;

export class Steps {
  constructor() {
    this.list = [];
    this.started = performance.now();
  }

  title(text) {
    console.log(`\n${text}`);
  }

  /** Runs one step; `action` may return a remark to print beside it. */
  async step(name, action) {
    const begun = performance.now();
    const entry = { name, ok: false, ms: 0 };
    this.list.push(entry);
    let ticks = 0;
    const tick = () => {
      const seconds = Math.round((performance.now() - begun) / 1000);
      if (TTY) process.stderr.write(`\r\x1b[K  … ${name} (${seconds} s)`);
      else if (ticks++ % 5 === 0) process.stderr.write(`  … ${name} (${seconds} s)\n`);
    };
    const timer = setInterval(tick, 1000);
    try {
      const remark = await action();
      entry.ok = true;
      return remark;
    } catch (error) {
      entry.error = error.message;
      throw error;
    } finally {
      clearInterval(timer);
      entry.ms = Math.round(performance.now() - begun);
      if (TTY) process.stderr.write('\r\x1b[K');
      console.log(`  ${entry.ok ? '✓' : '✗'} ${name}  ${entry.ms} ms`);
    }
  }

  say(text) {
    console.log(`      ${text}`);
  }

  get ok() {
    return this.list.length > 0 && this.list.every((entry) => entry.ok);
  }

  summary() {
    return { ok: this.ok, ms: Math.round(performance.now() - this.started), steps: this.list };
  }
}
