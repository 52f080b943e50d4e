// Which picture formats may become an avatar. Pictures are never decoded here, only recognised.

const magic: readonly { readonly type: string; readonly starts: readonly [at: number, bytes: Buffer][] }[] = [
  { type: 'image/jpeg', starts: [[0, Buffer.of(0xff, 0xd8, 0xff)]] },
  { type: 'image/png', starts: [[0, Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)]] },
  {
    type: 'image/webp',
    starts: [
      [0, Buffer.from('RIFF')],
      [8, Buffer.from('WEBP')],
    ],
  },
];

/** Returns the media type that the first bytes say; undefined for anything that is no JPEG, PNG or WebP. */
export function pictureType(bytes: Uint8Array): string | undefined {
  const found = magic.find(({ starts }) =>
    starts.every(([at, start]) => start.equals(bytes.subarray(at, at + start.length))),
  );
  return found?.type;
}
