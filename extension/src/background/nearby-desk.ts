// The Bluetooth link of the consent window, between it and the agent: values are passed on in the
// order they come, at most one link at a time. What they say is not looked at.
import type { LinkNews } from '../protocol/agent';
import type { ConsentCommand } from '../protocol/internal';
import * as names from '../protocol/names';
import { readLink } from '../protocol/nearby';
import { readFields } from '../protocol/read';
import { AgentError } from './agent-link';

export interface NearbyDeskOptions {
  readonly call: (method: string, params: Readonly<Record<string, unknown>>) => Promise<unknown>;
  readonly say: (news: LinkNews) => void;
}

type NearbyCommand = Extract<
  ConsentCommand,
  { kind: 'nearby.open' | 'nearby.value' | 'nearby.taken' | 'nearby.lost' | 'nearby.close' }
>;

export class NearbyDesk {
  // The agent's name for it, once it has answered; null: there is none.
  private link: Promise<string | null> | null = null;
  private name: string | null = null;

  constructor(private readonly options: NearbyDeskOptions) {}

  async command(command: NearbyCommand): Promise<void> {
    switch (command.kind) {
      case 'nearby.open':
        await this.open(command.again, command.rid);
        return;
      case 'nearby.value': {
        const { name } = this;
        if (name === null) return;
        await this.tell(names.kNearbyValue, { [names.kLink]: name, [names.kValue]: command.value });
        return;
      }
      case 'nearby.taken':
      case 'nearby.lost': {
        const { name } = this;
        const method = command.kind === 'nearby.taken' ? names.kNearbyTaken : names.kNearbyLost;
        if (name !== null) await this.tell(method, { [names.kLink]: name });
        return;
      }
      case 'nearby.close':
        this.drop();
        return;
    }
  }

  hear(link: string, news: LinkNews): void {
    if (link !== this.name) return;
    if (news.kind === 'nearby.closed') this.forget();
    this.options.say(news);
  }

  // The window is done with it.
  drop(): void {
    const { link } = this;
    this.forget();
    if (link === null) return;
    void link.then((name) => {
      if (name !== null) void this.tell(names.kNearbyClose, { [names.kLink]: name });
    });
  }

  // The agent went away, and its end of the link with it.
  gone(): void {
    const had = this.link !== null;
    this.forget();
    if (had) this.options.say({ kind: 'nearby.closed', code: names.kUnreachable });
  }

  private async open(again: boolean, rid: string): Promise<void> {
    const before = again ? this.name : null;
    if (again && before === null) {
      this.options.say({ kind: 'nearby.closed', code: names.kUnreachable });
      return;
    }
    if (!again) this.drop();
    const params = { [names.kRid]: rid, ...(before === null ? {} : { [names.kLink]: before }) };
    const link = this.options
      .call(names.kNearbyOpen, params)
      .then((answer) => readLink(readFields(answer, names.kResult)[names.kLink]));
    const mine = link.catch(() => null);
    this.link = mine;
    try {
      const name = await link;
      if (this.link === mine) this.name = name;
    } catch (error) {
      if (this.link !== mine) return;
      this.forget();
      const code = error instanceof AgentError ? error.code : names.kInternal;
      this.options.say({ kind: 'nearby.closed', code });
    }
  }

  private async tell(method: string, params: Readonly<Record<string, unknown>>): Promise<void> {
    // What the agent does not take it will end the link for, and say so.
    await this.options.call(method, params).catch(() => undefined);
  }

  private forget(): void {
    this.link = null;
    this.name = null;
  }
}
