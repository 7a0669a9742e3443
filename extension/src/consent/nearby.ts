// "Look nearby": from the click to values going to and fro between the radio and the agent. The
// agent does all of the talking, and says when to connect again; this only carries.
import type { LinkNews } from '../protocol/agent';
import type { ConsentCommand, ConsentNews } from '../protocol/internal';
import { decodeValue, encodeValue } from '../protocol/nearby';
import type { Act, NearbyState } from './flow';
import type { Choice, NearbyDevice, RadioHearing } from './radio';

export interface NearbyOptions {
  readonly choose: () => Promise<Choice>;
  readonly send: (command: ConsentCommand) => void;
  readonly act: (act: Act) => void;
  readonly wait: (ms: number) => Promise<void>;
}

// A device is given up for lost when it could not be reached so many times in a row.
const kTries = 4;
const kBetweenTriesMs = 700;

export function isLinkNews(news: ConsentNews): news is LinkNews {
  return news.kind.startsWith('nearby.');
}

export class Nearby {
  private device: NearbyDevice | null = null;

  constructor(private readonly options: NearbyOptions) {}

  // Only while a click is being handled, or the browser shows no list.
  look(): void {
    const choice = this.options.choose();
    this.say('choosing');
    void choice.then((made) => this.chosen(made));
  }

  hear(news: LinkNews): void {
    const { device } = this;
    if (device === null) return;
    switch (news.kind) {
      case 'nearby.send':
        device.send(decodeValue(news.value));
        return;
      case 'nearby.connect':
        void this.connect(device, true);
        return;
      case 'nearby.hang_up':
        device.finish();
        return;
      case 'nearby.closed':
        this.device = null;
        device.close();
        this.options.act({ kind: 'radio', nearby: 'idle', trouble: news.code });
        return;
    }
  }

  // What the agent had of the link is gone with the service worker.
  forget(): void {
    const { device } = this;
    this.device = null;
    device?.close();
    if (device !== null) this.say('idle');
  }

  private async chosen(choice: Choice): Promise<void> {
    this.forget();
    switch (choice.kind) {
      case 'none':
        this.say('idle');
        return;
      case 'off':
        this.options.act({ kind: 'radio', nearby: 'idle', trouble: 'off' });
        return;
      case 'chosen':
        this.device = choice.device;
        this.say('connecting');
        await this.connect(choice.device, false);
        return;
    }
  }

  private async connect(device: NearbyDevice, again: boolean): Promise<void> {
    const hearing: RadioHearing = {
      value: (value) => {
        this.options.send({ kind: 'nearby.value', value: encodeValue(value) });
      },
      taken: () => {
        this.options.send({ kind: 'nearby.taken' });
      },
      lost: () => {
        if (this.device !== device) return;
        this.options.send({ kind: 'nearby.lost' });
      },
    };
    for (let left = kTries; left > 0 && this.device === device; left -= 1) {
      if (left < kTries) await this.options.wait(kBetweenTriesMs);
      if (this.device !== device) return;
      try {
        const rid = await device.connect(hearing);
        if (this.device === device) this.options.send({ kind: 'nearby.open', again, rid });
        else device.close();
        return;
      } catch {
        // Out of reach for a moment, or for good.
      }
    }
    if (this.device !== device) return;
    this.device = null;
    device.close();
    if (again) this.options.send({ kind: 'nearby.close' });
    this.options.act({ kind: 'radio', nearby: 'idle', trouble: 'lost' });
  }

  private say(nearby: NearbyState): void {
    this.options.act({ kind: 'radio', nearby, trouble: null });
  }
}
