#!/usr/bin/env node
// Makes the films and their posters:
//
//   node make-media.mjs [--media DIR=out/media] [--posters DIR=out/site/posters] [--force]
//
// Each film becomes fragmented MP4 in two picture sizes and one sound track, below DIR/films/<id>/,
// with two lists of the same pieces: HLS (master.m3u8) and DASH (film.mpd). A film that is there
// already is left alone. DIR/films/index.json says how many files each has, and how many bytes.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { FILMS, SECONDS } from './films.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({
  options: {
    media: { type: 'string', default: join(ROOT, 'out/media') },
    posters: { type: 'string', default: join(ROOT, 'out/site/posters') },
    force: { type: 'boolean', default: false },
  },
});

function ffmpeg(args, cwd, onTime = () => {}) {
  return new Promise((done, failed) => {
    const child = spawn('ffmpeg', ['-hide_banner', '-nostdin', '-v', 'error', '-progress', 'pipe:1', '-y', ...args], { cwd });
    let complaint = '';
    child.stderr.on('data', (text) => { complaint += text; });
    child.stdout.on('data', (text) => {
      const match = /out_time_us=(\d+)/.exec(text);
      if (match) onTime(Number(match[1]) / 1e6);
    });
    child.on('error', () => failed(new Error('ffmpeg is not installed')));
    child.on('close', (code) => (code === 0 ? done() : failed(new Error(`ffmpeg: ${complaint.trim()}`))));
  });
}

const encode = (film) => [
  '-filter_complex',
  `${film.picture};[picture]fade=t=in:d=1.2,fade=t=out:st=${SECONDS - 1.5}:d=1.5,format=yuv420p,split=2[big][b];[b]scale=426:240[small];` +
    `aevalsrc=${film.sound}:s=48000:d=${SECONDS},aecho=0.8:0.7:180|420:0.3|0.2,afade=t=in:d=2,afade=t=out:st=${SECONDS - 2.5}:d=2.5[sound]`,
  '-map', '[small]', '-map', '[big]', '-map', '[sound]', '-t', String(SECONDS),
  '-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'main', '-g', '48', '-keyint_min', '48', '-sc_threshold', '0',
  '-b:v:0', '260k', '-maxrate:v:0', '340k', '-bufsize:v:0', '700k', '-b:v:1', '800k', '-maxrate:v:1', '1000k', '-bufsize:v:1', '2000k',
  '-c:a', 'aac', '-b:a', '96k', '-ac', '1',
  '-f', 'hls', '-hls_time', '2', '-hls_playlist_type', 'vod', '-hls_flags', 'independent_segments', '-hls_segment_type', 'fmp4',
  '-master_pl_name', 'master.m3u8', '-var_stream_map', 'v:0,agroup:sound,name:small v:1,agroup:sound,name:big a:0,agroup:sound,name:sound,default:yes',
  '-hls_fmp4_init_filename', 'init.mp4', '-hls_segment_filename', '%v/%03d.m4s', '%v/list.m3u8',
];

async function make(film, say) {
  const target = join(values.media, 'films', film.id);
  const poster = join(values.posters, `${film.id}.jpg`);
  const recipe = createHash('sha256').update(JSON.stringify([film, SECONDS, encode(film)])).digest('hex');
  const stamp = join(target, '.recipe');
  const made = existsSync(poster) && existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe;
  if (made && !values.force) return say(film.id, 'there already');

  const fresh = `${target}.new`;
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(values.posters, { recursive: true });
  for (const folder of ['small', 'big', 'sound']) mkdirSync(join(fresh, folder), { recursive: true });
  await ffmpeg(encode(film), fresh, (time) => say(film.id, `${Math.min(100, Math.round((100 * time) / SECONDS))} %`));
  const segment = String(Math.floor(film.poster / 2)).padStart(3, '0');
  await ffmpeg(['-i', `concat:big/init_1.mp4|big/${segment}.m4s`, '-frames:v', '1', '-update', '1',
    '-vf', 'scale=1280:720:flags=lanczos,unsharp=5:5:0.5', '-q:v', '4', poster], fresh);
  writeFileSync(join(fresh, '.recipe'), recipe);
  rmSync(target, { recursive: true, force: true });
  renameSync(fresh, target);
  say(film.id, 'made');
}

/** The same pieces, as a DASH manifest: times in it are those of the HLS lists. */
function manifest(folder) {
  const master = readFileSync(join(folder, 'master.m3u8'), 'utf8');
  const video = [...master.matchAll(/BANDWIDTH=(\d+),RESOLUTION=(\d+)x(\d+),CODECS="([^",]+),[^"]*"[^\n]*\n(\w+)\//g)];
  const template = (name, timescale) => {
    const list = readFileSync(join(folder, name, 'list.m3u8'), 'utf8');
    const times = [...list.matchAll(/#EXTINF:([\d.]+),/g)].map((match) => Math.round(Number(match[1]) * timescale));
    const init = /URI="([^"]+)"/.exec(list)[1];
    return `<SegmentTemplate timescale="${timescale}" startNumber="0" initialization="${name}/${init}" media="${name}/$Number%03d$.m4s"><SegmentTimeline>${
      times.map((d, i) => `<S ${i === 0 ? 't="0" ' : ''}d="${d}"/>`).join('')}</SegmentTimeline></SegmentTemplate>`;
  };
  return `<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static" minBufferTime="PT4S" mediaPresentationDuration="PT${SECONDS}S">
 <Period>
  <AdaptationSet mimeType="video/mp4" segmentAlignment="true" startWithSAP="1">
${video.map(([, bandwidth, width, height, codecs, name]) => `   <Representation id="${name}" bandwidth="${bandwidth}" width="${width}" height="${height}" frameRate="24" codecs="${codecs}">${template(name, 24000)}</Representation>\n`).join('')}  </AdaptationSet>
  <AdaptationSet mimeType="audio/mp4" lang="und" startWithSAP="1">
   <Representation id="sound" bandwidth="100000" audioSamplingRate="48000" codecs="mp4a.40.2">${template('sound', 48000)}</Representation>
  </AdaptationSet>
 </Period>
</MPD>
`;
}

/** Lists the pieces anew where that has changed, and counts them. */
function account(films) {
  const index = {};
  for (const { id } of films) {
    const folder = join(values.media, 'films', id);
    const mpd = join(folder, 'film.mpd');
    const text = manifest(folder);
    if (!existsSync(mpd) || readFileSync(mpd, 'utf8') !== text) writeFileSync(mpd, text);
    const files = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((one) => one.isFile() && !one.name.startsWith('.')).map((one) => join(one.parentPath ?? one.path, one.name));
    index[id] = { files: files.length, bytes: files.reduce((sum, file) => sum + statSync(file).size, 0) };
  }
  writeFileSync(join(values.media, 'films', 'index.json'), `${JSON.stringify(index)}\n`);
}

const state = new Map();
function say(id, text) {
  if (state.get(id) === text) return;
  state.set(id, text);
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\x1b[K${FILMS.filter((film) => state.has(film.id)).map((film) => `${film.id} ${state.get(film.id)}`).join(' · ')}`);
  } else if (!text.endsWith('%')) {
    process.stderr.write(`film ${id}: ${text}\n`);
  }
}

const queue = [...FILMS];
const workers = Math.max(1, Math.min(queue.length, (availableParallelism?.() ?? cpus().length)));
try {
  await Promise.all(Array.from({ length: workers }, async () => {
    for (let film = queue.shift(); film; film = queue.shift()) await make(film, say);
  }));
  account(FILMS);
  if (process.stderr.isTTY) process.stderr.write('\n');
} catch (error) {
  console.error(`\n${error.message}`);
  process.exitCode = 1;
}
