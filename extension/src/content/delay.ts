// A refusal that no person made comes as late as one that a person might have made: between 2 and
// 6 seconds, at random, so that a page cannot tell them apart by time.
const kShortestMs = 2000;
const kSpreadMs = 4000;

export function refusalDelayMs(random: number): number {
  return kShortestMs + Math.floor(random * kSpreadMs);
}

export function quietRefusalDelay(): Promise<void> {
  const random = (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32;
  return new Promise((resolve) => {
    setTimeout(resolve, refusalDelayMs(random));
  });
}
