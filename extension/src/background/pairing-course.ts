// One pairing at the agent: begun for the device that was picked, driven by what the person types, and
// given up without leaving anything behind. Whose question it answers is RequestDesk's to know.
import { type AgentEvent, type Grant, type PairBegin, readPairBegin } from '../protocol/agent';
import type { ConsentNews } from '../protocol/internal';
import * as names from '../protocol/names';
import { AgentError, type AgentLink } from './agent-link';

export interface PairingCourseOptions {
  readonly agent: AgentLink;
  readonly grantIds: () => Promise<ReadonlySet<string>>;
  readonly say: (news: ConsentNews) => void;
}

export type PairingEvent = Extract<AgentEvent, { kind: 'progress' | 'network_wanted' | 'failed' }>;

function failed(code: names.ErrorCode, again = false): ConsentNews {
  return { kind: 'failed', code, left: null, again };
}

export function failedBy(error: unknown): ConsentNews {
  return failed(error instanceof AgentError ? error.code : names.kInternal);
}

function isMalformed(error: unknown): boolean {
  return error instanceof AgentError && error.code === names.kMalformed;
}

export class PairingCourse {
  private session: string | null = null;
  // Grants there were before the session, which giving it up must not take away.
  private grantsBefore: ReadonlySet<string> = new Set();
  // Sessions given up while the agent may still have been finishing them.
  private readonly abandoned = new Map<string, ReadonlySet<string>>();

  constructor(private readonly options: PairingCourseOptions) {}

  // `params` are pair.begin's. `isWanted`: whether anybody still asks when the agent has answered.
  async begin(params: Record<string, unknown>, isWanted: () => boolean): Promise<void> {
    const { agent, grantIds, say } = this.options;
    await this.cancel();
    try {
      this.grantsBefore = await grantIds();
      const begun = readPairBegin(await agent.call(names.kPairBegin, params));
      if (!isWanted()) {
        await this.giveUp(begun.session);
        return;
      }
      this.session = begun.session;
      this.sayBegun(begun);
    } catch (error) {
      say(failedBy(error));
    }
  }

  async name(text: string): Promise<void> {
    const { agent, say } = this.options;
    const session = this.current();
    if (session === null) return;
    try {
      const params = { [names.kSession]: session, [names.kName]: text };
      const begun = readPairBegin(await agent.call(names.kPairName, params));
      if (this.session === session) this.sayBegun(begun);
    } catch (error) {
      if (this.session !== session) return;
      this.session = null;
      say(failedBy(error));
    }
  }

  // Something that cannot be a code at all: nothing was spent, the field stays open.
  async code(text: string): Promise<void> {
    await this.type(names.kPairCode, { [names.kCode]: text }, failed(names.kMalformed, true));
  }

  // Nothing that could be the name and password of a network: the fields stay open.
  async wifi(ssid: string | null, psk: string): Promise<void> {
    const params = { [names.kSsid]: ssid, ...(ssid === null ? {} : { [names.kPsk]: psk }) };
    await this.type(names.kPairNetwork, params, { kind: 'wifi', refused: true });
  }

  hear(event: PairingEvent): void {
    const { say } = this.options;
    if (event.kind === 'failed') this.abandoned.delete(event.session);
    if (event.session !== this.session) return;
    switch (event.kind) {
      case 'progress': {
        const { step, done, waiting, make } = event;
        say({ kind: 'progress', step, done, waiting, make });
        return;
      }
      case 'network_wanted':
        say({ kind: 'wifi', refused: event.refused });
        return;
      case 'failed':
        if (!event.again) this.session = null;
        say({ kind: 'failed', code: event.code, left: event.left, again: event.again });
        return;
    }
  }

  // Whether it is what this one was to bring about. What was given up before it was finished, and is
  // there all the same, must not stay.
  async finished(session: string, grant: Grant): Promise<boolean> {
    const before = this.abandoned.get(session);
    if (before === undefined) {
      const isOurs = session === this.session;
      if (isOurs) this.session = null;
      return isOurs;
    }
    this.abandoned.delete(session);
    if (!before.has(grant.id)) {
      await this.options.agent.call(names.kGrantsRevoke, { [names.kId]: grant.id });
    }
    return false;
  }

  // A pairing does not outlive the connection it was begun on.
  agentGone(): void {
    if (this.session === null) return;
    this.session = null;
    this.options.say(failed(names.kInternal));
  }

  async cancel(): Promise<void> {
    const { session } = this;
    if (session === null) return;
    this.session = null;
    await this.giveUp(session);
  }

  private async type(method: string, typed: object, malformed: ConsentNews): Promise<void> {
    const { agent, say } = this.options;
    const session = this.current();
    if (session === null) return;
    try {
      await agent.call(method, { [names.kSession]: session, ...typed });
    } catch (error) {
      if (this.session === session) say(isMalformed(error) ? malformed : failedBy(error));
    }
  }

  // Null, which is said: it was given up, or has ended.
  private current(): string | null {
    if (this.session === null) this.options.say(failed(names.kCancelled));
    return this.session;
  }

  private sayBegun(begun: PairBegin): void {
    const { say } = this.options;
    switch (begun.state) {
      case 'name':
        say({ kind: 'name', proposed: begun.proposed });
        return;
      case 'code':
        say({ kind: 'code', code: begun.code, host: begun.host });
        return;
      case 'working':
        say({ kind: 'working' });
        return;
    }
  }

  private async giveUp(session: string): Promise<void> {
    this.abandoned.set(session, this.grantsBefore);
    const params = { [names.kSession]: session };
    await this.options.agent.call(names.kPairCancel, params).catch(() => undefined);
  }
}
