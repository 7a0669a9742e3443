// Comes back to an agent that went away: at once, then at growing distances, by alarm, since the
// worker itself sleeps in between.
import type { AgentStatus } from '../protocol/internal';

export const kReconnectAlarm = 'reconnect';

const kMinutes = [0.5, 1, 2, 5, 15];

export class Reconnector {
  private attempt = 0;

  constructor(private readonly connect: () => Promise<unknown>) {}

  async after(state: AgentStatus['state']): Promise<void> {
    if (state === 'ready') {
      this.attempt = 0;
      await chrome.alarms.clear(kReconnectAlarm);
      return;
    }
    const delayInMinutes = kMinutes[Math.min(this.attempt, kMinutes.length - 1)] ?? 15;
    this.attempt += 1;
    await chrome.alarms.create(kReconnectAlarm, { delayInMinutes });
  }

  async alarm(): Promise<void> {
    await this.connect().catch(() => undefined);
  }
}
