// Plays one film from a device at home, by HLS. Counts where the bytes came from.
import Hls from './vendor/hls.mjs';

const RETRIES = { maxNumRetry: 2, retryDelayMs: 300, maxRetryDelayMs: 1500 };
const policy = { default: { maxTimeToFirstByteMs: 8000, maxLoadTimeMs: 20000, timeoutRetry: RETRIES, errorRetry: RETRIES } };

export class HomePlayer {
  constructor(video) {
    this.video = video;
    this.hls = null;
    this.pieces = 0;
    this.home = 0;
    this.web = 0;
    this.onTally = () => {};
    this.onTrouble = () => {};
  }

  get active() {
    return this.hls !== null;
  }

  /** Resolves when the first picture plays; rejects when the device does not deliver. */
  async open(device, film) {
    this.halt();
    await device.renew();
    const hls = new Hls({
      enableWorker: false,
      startLevel: -1,
      maxBufferLength: 8,
      maxMaxBufferLength: 8, // What is at home need not be hoarded.
      xhrSetup: (request) => { request.withCredentials = true; },
      manifestLoadPolicy: policy, playlistLoadPolicy: policy, fragLoadPolicy: policy,
    });
    this.hls = hls;
    hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => {
      const bytes = frag.stats.total || frag.stats.loaded;
      if (new URL(frag.url).origin === device.url) this.home += bytes;
      else this.web += bytes;
      this.pieces += 1;
      this.onTally(this);
    });
    let renewed = 0;
    await new Promise((resolve, reject) => {
      hls.on(Hls.Events.ERROR, (_, data) => {
        if (!data.fatal || this.hls !== hls) return;
        // A session lives an hour: open it anew once, then take the failure seriously.
        if (data.type === Hls.ErrorTypes.NETWORK_ERROR && data.response?.code === 401 && performance.now() - renewed > 60000) {
          renewed = performance.now();
          device.renew().then(() => hls.startLoad(), () => this.onTrouble());
          return;
        }
        reject(new Error(data.details));
        this.onTrouble();
      });
      this.video.addEventListener('playing', () => resolve(), { once: true });
      hls.on(Hls.Events.MANIFEST_PARSED, () => {
        this.video.play().catch(() => {
          // Sound needs a click of this page's own in some browsers; the picture does not.
          this.video.muted = true;
          this.video.play().catch(reject);
        });
      });
      hls.attachMedia(this.video);
      hls.loadSource(new URL(`/films/${film.id}/master.m3u8`, device.url).href);
    });
  }

  /** Stops, and asks the device for nothing more. */
  halt() {
    this.video.pause();
    this.hls?.stopLoad();
    this.hls?.destroy();
    this.hls = null;
  }
}
