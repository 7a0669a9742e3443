// What the consent window can show, state by state (flow.ts says how one follows the other).
import type { CodeRequest, Device, Locked, Make, PairStep, ProposedName } from '../protocol/agent';
import type { Question } from '../protocol/internal';
import type { ErrorCode } from '../protocol/names';
import type { Verdict } from '../protocol/trust';

export type SetupProblem =
  | 'not_installed'
  | 'not_running'
  | Locked
  | 'too_old'
  | 'setup_needed'
  | 'restart_needed'
  | 'interrupted';
export type Problem =
  | SetupProblem
  | 'origin_suspended'
  | 'nearby_lost' // the Bluetooth connection broke off
  | 'nearby_absent' // the device is ready, and does not turn up in the network
  | ErrorCode;

// "Look nearby": not begun; the browser's own list is open; the one chosen there is being reached;
// it is. Or, in a browser without Bluetooth, the agent searches by the computer's own.
export type NearbyState = 'idle' | 'choosing' | 'connecting' | 'connected' | 'searching';
export type NearbyTrouble = 'off' | 'lost' | ErrorCode;
export interface Nearby {
  readonly state: NearbyState;
  readonly trouble: NearbyTrouble | null;
}

export interface Row extends Device {
  readonly away: boolean; // was found, is not seen any more; keeps its place so that nothing jumps
}

export type Steps = Readonly<Record<PairStep, 'waiting' | 'running' | 'done'>>;

export type WifiTrouble = 'none' | 'refused';

export type CodeTrouble = 'none' | 'wrong' | 'shape';

export type View =
  | { readonly state: 'asking'; readonly ready: boolean }
  | {
      readonly state: 'looking';
      readonly rows: readonly Row[];
      readonly selected: string | null;
      readonly available: boolean;
      readonly busy: boolean;
      readonly settled: boolean;
      readonly nearby: Nearby;
    }
  | {
      readonly state: 'name';
      readonly device: Device;
      readonly proposed: ProposedName;
      readonly busy: boolean;
      readonly tries: number; // names given so far: each answer is announced anew
    }
  | {
      readonly state: 'code';
      readonly device: Device;
      readonly host: string | null; // the one address that this can make work
      readonly code: CodeRequest;
      readonly trouble: CodeTrouble;
      readonly busy: boolean;
      readonly tries: number; // codes refused so far: each one is announced anew
    }
  | {
      readonly state: 'working';
      readonly device: Device;
      readonly steps: Steps;
      readonly waiting: boolean; // for the device to turn up in the network
      readonly make: Make | null; // null until it was checked
    }
  | {
      readonly state: 'network';
      readonly device: Device;
      readonly trouble: WifiTrouble;
      readonly busy: boolean;
      readonly tries: number; // refused so far: each one is announced anew
      readonly before: Of<'working'>; // what goes on afterwards
    }
  | {
      readonly state: 'done';
      readonly deviceName: string;
      readonly url: string | null;
      readonly make: Make;
      readonly warnings: readonly string[];
    }
  | {
      readonly state: 'problem';
      readonly problem: Problem;
      readonly device: Device | null;
      readonly again: 'looking' | 'agent' | 'never';
    }
  | { readonly state: 'over' };

export type Of<S extends View['state']> = Extract<View, { state: S }>;

export interface Flow {
  readonly question: Question | null;
  readonly verdict: Verdict | null; // the last one the agent gave
  // Consented by an administrator, and neither the person nor a failure has taken the choice over.
  readonly auto: boolean;
  readonly picked: Device | null;
  readonly nearby: Nearby;
  readonly view: View;
}
