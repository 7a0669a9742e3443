import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError, AgentLink, type NativePort } from '../src/background/agent-link';
import type { AgentEvent } from '../src/protocol/agent';
import type { AgentStatus } from '../src/protocol/internal';
import { isFields } from '../src/protocol/read';

const hello = {
  version: '0.1.0',
  protocol: 1,
  ready: true,
  setup: { root_installed: true, restart_needed: false },
};

// The other end of a native port: answers hello, keeps the rest for the test to answer.
class FakeHost {
  readonly sent: Record<string, unknown>[] = [];
  private hear: (message: unknown) => void = () => undefined;
  private gone: () => void = () => undefined;

  constructor(private readonly greeting: unknown = hello) {}

  port(): NativePort {
    return {
      postMessage: (message) => {
        assert.ok(isFields(message));
        this.sent.push(message);
        if (message['method'] === 'hello' && this.greeting !== null) {
          queueMicrotask(() => {
            this.say({ id: message['id'], result: this.greeting });
          });
        }
      },
      disconnect: () => undefined,
      onMessage: { addListener: (listener) => (this.hear = listener) },
      onDisconnect: { addListener: (listener) => (this.gone = listener) },
    };
  }

  say(message: unknown): void {
    this.hear(message);
  }

  hangUp(): void {
    this.gone();
  }
}

function linkTo(hosts: FakeHost[], reason = 'Native host has exited.') {
  const events: AgentEvent[] = [];
  const states: AgentStatus['state'][] = [];
  let made = 0;
  const link = new AgentLink({
    connect: () => {
      const host = hosts[made++];
      if (host === undefined) throw new Error('no host left');
      return host.port();
    },
    disconnectReason: () => reason,
    profile: () => Promise.resolve('0'.repeat(32)),
    version: '0.1.0',
    onEvent: (event) => events.push(event),
    onStatus: (status) => states.push(status.state),
  });
  return { link, events, states };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'fine',
    (error: unknown) => (error instanceof AgentError ? error.code : String(error)),
  );

test('hello comes first, once, with the profile', async () => {
  const host = new FakeHost();
  const { link, states } = linkTo([host]);
  await Promise.all([link.ready(), link.ready()]);
  assert.deepEqual(host.sent, [
    {
      id: 1,
      method: 'hello',
      params: { client: 'extension', version: '0.1.0', profile: '0'.repeat(32) },
    },
  ]);
  assert.deepEqual(states, ['connecting', 'ready']);
});

test('answers find their calls, in any order; errors keep their code', async () => {
  const host = new FakeHost();
  const { link } = linkTo([host]);
  await link.ready();
  const first = link.call('grants.list', {});
  const second = code(link.call('pair.begin', {}));
  const third = code(link.call('pair.begin', {}));
  await settled();
  host.say({ id: 3, error: { code: 'window_closed', message: 'x' } });
  host.say({ id: 4, error: 'nonsense' });
  host.say({ id: 99, result: {} });
  host.say('nonsense');
  host.say({ id: 2, result: { grants: [] } });
  assert.deepEqual(await first, { grants: [] });
  assert.equal(await second, 'window_closed');
  assert.equal(await third, 'internal');
});

test('a broken connection fails what is under way and is made anew', async () => {
  const [first, second] = [new FakeHost(), new FakeHost()];
  const { link, states } = linkTo([first, second]);
  await link.ready();
  const lost = code(link.call('grants.list', {}));
  await settled();
  first.hangUp();
  assert.equal(await lost, 'unreachable');
  await link.ready();
  first.hangUp(); // the old port's late word changes nothing
  assert.deepEqual(states, ['connecting', 'ready', 'not_running', 'connecting', 'ready']);
});

test('no agent, a silent one, and one of another protocol are told apart', async () => {
  const silent = new FakeHost(null);
  const { link } = linkTo([silent], 'Specified native messaging host not found.');
  const opening = code(link.ready());
  await settled();
  silent.hangUp();
  assert.equal(await opening, 'unreachable');
  assert.equal(link.status.state, 'not_installed');
  const other = linkTo([new FakeHost({ ...hello, protocol: 2 })]);
  assert.equal(await code(other.link.ready()), 'unreachable');
  assert.equal(other.link.status.state, 'too_old');
  assert.equal(await code(linkTo([]).link.ready()), 'unreachable');
});

test('events of the wrong shape are as if they had not come', async () => {
  const host = new FakeHost();
  const { link, events } = linkTo([host]);
  await link.ready();
  host.say({ event: 'discover.found', params: { device: { key: 7 } } });
  host.say({ event: 'discover.lost' });
  host.say({ event: 'weather', params: {} });
  host.say({ event: 'discover.lost', params: { key: 'k1' } });
  assert.deepEqual(events, [{ kind: 'lost', key: 'k1', into: null }]);
});

test('a locked agent is said so, and found open when it hangs up', async () => {
  for (const [state, status] of [
    ['keyring_locked', 'locked_keyring'],
    ['keyring_missing', 'locked_keyring'],
    ['passphrase_needed', 'locked_passphrase'],
    ['rolled_back', 'locked_other'],
    ['something new', 'locked_other'],
  ] as const) {
    const locked = { ...hello, ready: false, locked: { state, message: 'x', fix: 'y' } };
    const [first, second] = [new FakeHost(locked), new FakeHost()];
    const { link, states } = linkTo([first, second]);
    assert.equal(await code(link.ready()), 'unreachable');
    assert.deepEqual(states, ['connecting', status]);
    first.hangUp();
    await settled();
    assert.deepEqual(states.slice(2), ['not_running', 'connecting', 'ready']);
  }
});

test('a locked agent that is asked again is asked from the start', async () => {
  const locked = { ...hello, locked: { state: 'key_gone' } };
  const [first, second] = [new FakeHost(locked), new FakeHost()];
  const { link, states } = linkTo([first, second]);
  await code(link.ready());
  await link.ready();
  first.hangUp(); // the old port's late word changes nothing
  assert.equal(states.at(-1), 'ready');
});
