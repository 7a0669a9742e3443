// The page's end of the port to the content script, opened at the first call so that pages which
// never use devices never see a message of ours.
import {
  type Failure,
  type PageAnswer,
  type PageCall,
  type PageEvent,
  kConnectMessage,
  readPageAnswer,
} from '../protocol/internal';

type WithoutCall<T> = T extends unknown ? Omit<T, 'call'> : never;

export class Refused extends Error {
  constructor(readonly failure: Failure) {
    super(failure);
  }
}

export class Bridge {
  private port: MessagePort | null = null;
  private next = 1;
  private readonly calls = new Map<number, (answer: PageAnswer) => void>();
  onEvent: (event: PageEvent) => void = () => undefined;

  constructor(private readonly target: Window) {}

  async call(request: WithoutCall<PageCall>): Promise<unknown> {
    const call = this.next++;
    const port = this.connect();
    const answer = await new Promise<PageAnswer>((resolve) => {
      this.calls.set(call, resolve);
      port.postMessage({ ...request, call });
    });
    if (!answer.ok) throw new Refused(answer.failure);
    return answer.value;
  }

  private connect(): MessagePort {
    if (this.port !== null) return this.port;
    const channel = new MessageChannel();
    channel.port1.onmessage = (event: MessageEvent<unknown>) => {
      this.receive(event.data);
    };
    this.target.postMessage(kConnectMessage, this.target.location.origin, [channel.port2]);
    this.port = channel.port1;
    return this.port;
  }

  private receive(data: unknown): void {
    const message = readPageAnswer(data);
    if (message === null) return;
    if ('event' in message) {
      this.onEvent(message);
      return;
    }
    const resolve = this.calls.get(message.call);
    this.calls.delete(message.call);
    resolve?.(message);
  }
}
