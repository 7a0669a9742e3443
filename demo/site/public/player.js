// Plays one film, by HLS or DASH, from the device at home where it is kept there, else from here.
// Counts where the bytes came from.
import Hls from './vendor/hls.mjs';
import { MediaPlayer } from './vendor/dash.mjs';

const RETRIES = { maxNumRetry: 2, retryDelayMs: 300, maxRetryDelayMs: 1500 };
const policy = { default: { maxTimeToFirstByteMs: 8000, maxLoadTimeMs: 20000, timeoutRetry: RETRIES, errorRetry: RETRIES } };
const PATIENCE = 15000;
const LISTS = { hls: 'master.m3u8', dash: 'film.mpd' };

/** What is kept at home from `url` lies there under the same name, without the scheme. */
export const atHome = (device, url) => `${device.url}/objects/${url.slice('https://'.length)}`;

/** The lists of a film: all that has to be named to keep it. */
export const lists = (film) => Object.values(LISTS).map((list) => new URL(`/films/${film.id}/${list}`, location.href).href);

export class Player {
  constructor(video) {
    this.video = video;
    this.stop = null; // of what plays
    this.pieces = 0;
    this.home = 0;
    this.web = 0;
    this.onTally = () => {};
    this.onTrouble = () => {};
  }

  get active() {
    return this.stop !== null;
  }

  /**
   * Resolves when the first picture plays; rejects when it does not come.
   * @param {object | null} device where the film is kept; null: from here
   */
  async open(device, film, format) {
    this.halt();
    await device?.renew();
    const here = new URL(`/films/${film.id}/${LISTS[format]}`, location.href).href;
    const url = device ? atHome(device, here) : here;
    let late;
    await new Promise((resolve, reject) => {
      late = setTimeout(() => reject(new Error('nothing came')), PATIENCE);
      this.video.addEventListener('playing', () => resolve(), { once: true });
      if (format === 'dash') this.#dash(device, url, reject);
      else this.#hls(device, url, reject);
    }).finally(() => clearTimeout(late));
  }

  #count(device, url, bytes) {
    if (device && new URL(url).origin === device.url) this.home += bytes;
    else this.web += bytes;
    this.pieces += 1;
    this.onTally(this);
  }

  #begin(reject) {
    this.video.play().catch(() => {
      // Sound needs a click of this page's own in some browsers; the picture does not.
      this.video.muted = true;
      this.video.play().catch(reject);
    });
  }

  #hls(device, url, reject) {
    const hls = new Hls({
      enableWorker: false,
      startLevel: -1,
      maxBufferLength: 8,
      maxMaxBufferLength: 8, // What is at home need not be hoarded.
      xhrSetup: (request) => { request.withCredentials = device !== null; },
      manifestLoadPolicy: policy, playlistLoadPolicy: policy, fragLoadPolicy: policy,
    });
    const stop = () => {
      hls.stopLoad();
      hls.destroy();
    };
    this.stop = stop;
    hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => this.#count(device, frag.url, frag.stats.total || frag.stats.loaded));
    let renewed = 0;
    hls.on(Hls.Events.ERROR, (_, data) => {
      if (!data.fatal || this.stop !== stop) return;
      // A session lives an hour: open it anew once, then take the failure seriously.
      if (device && data.type === Hls.ErrorTypes.NETWORK_ERROR && data.response?.code === 401 && performance.now() - renewed > 60000) {
        renewed = performance.now();
        device.renew().then(() => hls.startLoad(), () => this.onTrouble());
        return;
      }
      reject(new Error(data.details));
      this.onTrouble();
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => this.#begin(reject));
    hls.attachMedia(this.video);
    hls.loadSource(url);
  }

  #dash(device, url, reject) {
    const dash = MediaPlayer().create();
    const stop = () => dash.destroy();
    this.stop = stop;
    dash.updateSettings({ debug: { logLevel: 0 }, streaming: { retryAttempts: { MPD: 1 }, buffer: { bufferTimeDefault: 8, bufferTimeAtTopQuality: 8, bufferTimeAtTopQualityLongForm: 8 } } });
    dash.setXHRWithCredentialsForType('', device !== null);
    dash.on(MediaPlayer.events.FRAGMENT_LOADING_COMPLETED, ({ request, response }) => {
      if (request?.url && response?.byteLength) this.#count(device, request.url, response.byteLength);
    });
    dash.on(MediaPlayer.events.ERROR, ({ error }) => {
      if (this.stop !== stop) return;
      reject(new Error(error?.message ?? 'dash'));
      this.onTrouble();
    });
    dash.on(MediaPlayer.events.STREAM_INITIALIZED, () => this.#begin(reject));
    dash.initialize(this.video, url, false);
  }

  /** Stops, and asks for nothing more. */
  halt() {
    this.video.pause();
    const { stop } = this;
    this.stop = null;
    stop?.();
  }
}
