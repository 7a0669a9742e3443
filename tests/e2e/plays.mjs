/** Plays the device's film in `page`, and waits until it has moved. */
export async function plays(page, url) {
  await page.evaluate((address) => {
    const video = document.createElement('video');
    Object.assign(video, { crossOrigin: 'use-credentials', muted: true, src: address });
    document.body.append(video);
    void video.play();
  }, `${url}/clip.mp4`);
  await page.waitForFunction(() => {
    const video = document.querySelector('video');
    return video.videoWidth > 0 && video.currentTime > 0.5;
  });
}
