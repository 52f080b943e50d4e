// The Matrix crypto library: WebAssembly of several megabytes, compiled once for the whole process.

/** Resolves when the library can be used. Whoever asks again gets the same. */
export async function loadCryptoLibrary(): Promise<void> {
  const { initAsync } = await import('@matrix-org/matrix-sdk-crypto-wasm');
  await initAsync();
}
