// What the control page asks for, done: the agent first, then the rules, and back goes how things
// stand after that.
import type { Grant } from '../protocol/agent';
import {
  type ControlMessage,
  type ControlReply,
  type Details,
  type GrantAction,
  type OwnDevice,
  readDetails,
  readOwnDevices,
} from '../protocol/control';
import type { HomeState } from '../protocol/internal';
import * as names from '../protocol/names';
import { type People, readPeople } from '../protocol/people';
import { isFields } from '../protocol/read';
import { AgentError } from './agent-link';

export interface ControlDeskOptions {
  readonly call: (method: string, params: Readonly<Record<string, unknown>>) => Promise<unknown>;
  // Asks the agent for the list and brings the rules in step.
  readonly sync: () => Promise<void>;
  // One grant's new state, in the rules at once.
  readonly mark: (id: string, state: Grant['state']) => Promise<void>;
  readonly setNearby: (site: string, allowed: boolean) => Promise<void>;
  // Opens the window in which a person adds a device of their own.
  readonly add: () => Promise<unknown>;
  readonly state: () => Promise<HomeState>;
  readonly sleep: (ms: number) => Promise<void>;
}

interface Done {
  readonly delivered: boolean;
  readonly details: Details | null;
  readonly copy: Readonly<Record<string, Details>> | null;
  readonly people: People | null;
}
const kDone: Done = { delivered: true, details: null, copy: null, people: null };

// The agent answers 200 requests of one browser at once and one in 20 ms from then on
// (src/agent/connection.cc); the others of this browser are to have their share.
const kUnhurried = 100;
const kPaceMs = 40;

const kMethods: Readonly<Record<GrantAction, string>> = {
  pause: names.kGrantsPause,
  resume: names.kGrantsResume,
  renew: names.kCertificateRenew,
  remove: names.kGrantsRevoke,
  details: names.kGrantsDetails,
};

export class ControlDesk {
  constructor(private readonly options: ControlDeskOptions) {}

  async handle(message: ControlMessage): Promise<ControlReply> {
    let done: Done = kDone;
    let failed: ControlReply['failed'] = null;
    try {
      done = await this.act(message);
    } catch (error) {
      failed = error instanceof AgentError ? error.code : 'no_agent';
    }
    const state = await this.options.state();
    return { ...done, failed, state: { ...state, devices: await this.devices() } };
  }

  private async act(message: ControlMessage): Promise<Done> {
    const { call, sync, setNearby } = this.options;
    switch (message.kind) {
      case 'control.state':
        await sync();
        return kDone;
      case 'control.add':
        await this.options.add();
        return kDone;
      case 'control.people': {
        const result = await call(names.kDevicesPeople, { [names.kId]: message.device });
        return { ...kDone, people: readPeople(result) };
      }
      case 'control.copy':
        await sync();
        return { ...kDone, copy: await this.everyDetail() };
      case 'control.nearby':
        await setNearby(message.site, message.allowed);
        return kDone;
      case 'control.forget': {
        const result = await call(names.kDevicesForget, { [names.kId]: message.device });
        await sync();
        return { ...kDone, delivered: isDelivered(result) };
      }
      case 'control.grant':
        return this.onGrant(message.action, message.grant);
    }
  }

  private async onGrant(action: GrantAction, grant: string): Promise<Done> {
    const { call, sync, mark } = this.options;
    const result = await call(kMethods[action], { [names.kId]: grant });
    if (action === 'details') return { ...kDone, details: readDetails(result) };
    if (action === 'pause') await mark(grant, names.kSuspended);
    if (action === 'remove') await mark(grant, names.kRevoked);
    await sync();
    if (action !== 'renew') return { ...kDone, delivered: isDelivered(result) };
    const details = await call(names.kGrantsDetails, { [names.kId]: grant });
    return { ...kDone, details: readDetails(details) };
  }

  // Of all or of none, but for what ended meanwhile: a copy with holes would look whole.
  private async everyDetail(): Promise<Record<string, Details>> {
    const { call, state, sleep } = this.options;
    const all: Record<string, Details> = {};
    for (const [index, { id }] of (await state()).grants.entries()) {
      if (index >= kUnhurried) await sleep(kPaceMs);
      try {
        all[id] = readDetails(await call(names.kGrantsDetails, { [names.kId]: id }));
      } catch (error) {
        if (!(error instanceof AgentError) || error.code !== 'not_granted') throw error;
      }
    }
    return all;
  }

  // An agent from before there was such a question has none to name.
  private async devices(): Promise<readonly OwnDevice[]> {
    try {
      return readOwnDevices(await this.options.call(names.kDevicesList, {}));
    } catch {
      return [];
    }
  }
}

function isDelivered(result: unknown): boolean {
  return isFields(result) && result[names.kDelivered] === true;
}
