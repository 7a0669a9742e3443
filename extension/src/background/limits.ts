// How often a site may ask. Two refusals within a minute make the site wait a minute from the last
// one; each further refusal after such a wait doubles the next, up to an hour. Refusals are counted
// per site (registrable domain), so that sub-domains do not each get a fresh count, and over all
// sites together, so that many names do not either. Pure: the time (milliseconds) is an argument.

const kWindow = 60_000;
const kFree = 2;
const kFreeOverAll = 8;
const kLongestWait = 3_600_000;
const kForget = 24 * 3_600_000;
const kMaxSites = 200;

interface Refusals {
  recent: number[];
  waits: number;
  until: number;
  last: number;
}

export type LimitsState = Record<string, Refusals>;

const kEverybody = '*';

export class AskLimits {
  private readonly sites = new Map<string, Refusals>();

  constructor(saved: LimitsState = {}) {
    for (const [site, record] of Object.entries(saved)) this.sites.set(site, { ...record });
  }

  save(): LimitsState {
    return Object.fromEntries(this.sites);
  }

  mayAsk(site: string, now: number): boolean {
    return !this.waiting(site, now) && !this.waiting(kEverybody, now);
  }

  refused(site: string, now: number): void {
    this.count(site, now, kFree);
    this.count(kEverybody, now, kFreeOverAll);
    this.trim(now);
  }

  allowed(site: string): void {
    this.sites.delete(site);
  }

  private waiting(site: string, now: number): boolean {
    const record = this.sites.get(site);
    // A clock turned back must not lock a site out for longer than the longest wait.
    return record !== undefined && now < record.until && record.until - now <= kLongestWait;
  }

  private count(site: string, now: number, free: number): void {
    const record = this.sites.get(site) ?? { recent: [], waits: 0, until: 0, last: 0 };
    record.recent = record.recent.filter((at) => at <= now && now - at < kWindow);
    record.recent.push(now);
    record.last = now;
    if (record.recent.length >= free) {
      record.until = now + Math.min(kWindow * 2 ** record.waits, kLongestWait);
      record.waits += 1;
      // The wait itself is the answer to these; the next one alone must not renew it twice over.
      record.recent = record.recent.slice(-(free - 1));
    }
    this.sites.set(site, record);
  }

  private trim(now: number): void {
    for (const [site, record] of this.sites) {
      if (now - record.last > kForget) this.sites.delete(site);
    }
    while (this.sites.size > kMaxSites) {
      const oldest = [...this.sites].reduce((a, b) => (a[1].last <= b[1].last ? a : b));
      this.sites.delete(oldest[0]);
    }
  }
}
