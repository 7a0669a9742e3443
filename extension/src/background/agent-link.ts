// The connection to the agent through the native host: one at a time, made when needed, made anew
// after it broke. Every call in flight fails cleanly when it breaks. While it stands the browser
// keeps the service worker alive, which is how a removal elsewhere reaches the pages at once.
import {
  type AgentEvent,
  type SetupState,
  readEvent,
  readHello,
  readLocked,
} from '../protocol/agent';
import { readErrorCode } from '../protocol/errors';
import type { AgentStatus } from '../protocol/internal';
import * as names from '../protocol/names';
import { Malformed, isFields } from '../protocol/read';

export class AgentError extends Error {
  constructor(readonly code: names.ErrorCode) {
    super(code);
    this.name = 'AgentError';
  }
}

// It answers, and has not got its store. The connection stays, to hear when that changes.
class LockedAgent extends Error {}

// chrome.runtime.Port, as far as it is used here.
export interface NativePort {
  postMessage(message: unknown): void;
  disconnect(): void;
  readonly onMessage: { addListener(listener: (message: unknown) => void): void };
  readonly onDisconnect: { addListener(listener: () => void): void };
}

export interface AgentLinkOptions {
  readonly connect: () => NativePort;
  // Why the last disconnection happened, in the browser's words; '' when it did not say.
  readonly disconnectReason: () => string;
  readonly profile: () => Promise<string>;
  readonly version: string;
  readonly onEvent: (event: AgentEvent) => void;
  readonly onStatus: (status: AgentStatus) => void;
}

interface Call {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: AgentError) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

const kCallTimeoutMs = 30_000;
const kMaxCalls = 200;

export class AgentLink {
  private port: NativePort | null = null;
  private opening: Promise<SetupState> | null = null;
  private readonly calls = new Map<number, Call>();
  private nextId = 1;
  private current: AgentStatus = { state: 'not_running' };

  constructor(private readonly options: AgentLinkOptions) {}

  get status(): AgentStatus {
    return this.current;
  }

  // Connects if need be. Throws AgentError(unreachable) where there is no agent to speak to.
  async ready(): Promise<SetupState> {
    this.opening ??= this.open();
    return this.opening;
  }

  async call(method: string, params: Readonly<Record<string, unknown>>): Promise<unknown> {
    await this.ready();
    return this.send(method, params);
  }

  // Setup may have moved on since (a root installed, a browser restarted): ask from the start.
  reset(): void {
    this.drop('not_running');
  }

  private async open(): Promise<SetupState> {
    this.setStatus({ state: 'connecting' });
    // A locked agent's: it is asked from the start.
    this.port?.disconnect();
    this.port = null;
    try {
      const profile = await this.options.profile();
      const port = this.options.connect();
      this.port = port;
      port.onMessage.addListener((message) => {
        if (this.port === port) this.receive(message);
      });
      port.onDisconnect.addListener(() => {
        const reason = this.options.disconnectReason();
        if (this.port !== port) return;
        const wasLocked = this.current.state.startsWith('locked_');
        this.drop(isMissing(reason) ? 'not_installed' : 'not_running');
        // It hangs up when it is unlocked.
        if (wasLocked) this.ready().catch(() => undefined);
      });
      const answer = await this.send(names.kHello, {
        [names.kClient]: names.kExtension,
        [names.kVersion]: this.options.version,
        [names.kProfile]: profile,
      });
      const setup = readHello(answer);
      const locked = readLocked(answer);
      if (locked !== null) {
        this.opening = null;
        this.setStatus({ state: locked });
        throw new LockedAgent();
      }
      this.setStatus({ state: 'ready', setup });
      return setup;
    } catch (error) {
      if (error instanceof LockedAgent) throw new AgentError(names.kUnreachable);
      if (this.port !== null) this.drop(tooOld(error) ? 'too_old' : 'not_running');
      this.opening = null;
      if (this.current.state === 'connecting') this.setStatus({ state: 'not_running' });
      throw new AgentError(names.kUnreachable);
    }
  }

  private send(method: string, params: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { port } = this;
    return new Promise((resolve, reject) => {
      if (port === null || this.calls.size >= kMaxCalls) {
        reject(new AgentError(names.kUnreachable));
        return;
      }
      const id = this.nextId++;
      const timer = setTimeout(() => {
        this.calls.delete(id);
        reject(new AgentError(names.kUnreachable));
      }, kCallTimeoutMs);
      this.calls.set(id, { resolve, reject, timer });
      port.postMessage({ [names.kId]: id, [names.kMethod]: method, [names.kParams]: params });
    });
  }

  private receive(message: unknown): void {
    if (!isFields(message)) return;
    if (message[names.kEvent] !== undefined) {
      this.receiveEvent(message);
      return;
    }
    const id = message[names.kId];
    const call = typeof id === 'number' ? this.calls.get(id) : undefined;
    if (call === undefined) return;
    this.calls.delete(id as number);
    clearTimeout(call.timer);
    const error = message[names.kError];
    if (error === undefined) {
      call.resolve(message[names.kResult]);
    } else {
      call.reject(new AgentError(readErrorCode(isFields(error) ? error[names.kCode] : undefined)));
    }
  }

  private receiveEvent(message: Readonly<Record<string, unknown>>): void {
    let event: AgentEvent | null;
    try {
      event = readEvent(message[names.kEvent], message[names.kParams]);
    } catch (error) {
      // An event of the wrong shape is as if it had not come.
      if (error instanceof Malformed) return;
      throw error;
    }
    if (event !== null) this.options.onEvent(event);
  }

  private drop(state: 'not_installed' | 'not_running' | 'too_old'): void {
    const { port } = this;
    this.port = null;
    this.opening = null;
    port?.disconnect();
    for (const call of this.calls.values()) {
      clearTimeout(call.timer);
      call.reject(new AgentError(names.kUnreachable));
    }
    this.calls.clear();
    this.setStatus({ state });
  }

  private setStatus(status: AgentStatus): void {
    this.current = status;
    this.options.onStatus(status);
  }
}

// Chromium: "Specified native messaging host not found." / "Access to the specified native
// messaging host is forbidden."; Firefox: "No such native application ...".
function isMissing(reason: string): boolean {
  return /not found|forbidden|No such native application/i.test(reason);
}

function tooOld(error: unknown): boolean {
  return (
    error instanceof Malformed || (error instanceof AgentError && error.code === names.kUnsupported)
  );
}
