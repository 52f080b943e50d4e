/** Bytes that have arrived and are not yet read, however the carrier has cut them. Grows with what really arrives. */
export class ByteQueue {
  #buffer = new Uint8Array(1024);
  #start = 0;
  #end = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  push(bytes: Uint8Array): void {
    if (this.#end + bytes.length > this.#buffer.length) this.#makeRoom(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** A copy of the next bytes, or undefined if there are not that many yet. */
  peek(count: number): Uint8Array | undefined {
    return count > this.length ? undefined : this.#buffer.slice(this.#start, this.#start + count);
  }

  skip(count: number): void {
    this.#start = Math.min(this.#start + count, this.#end);
    if (this.#start < this.#end) return;
    this.#start = 0;
    this.#end = 0;
    if (this.#buffer.length > 1 << 16) this.#buffer = new Uint8Array(1024);
  }

  #makeRoom(count: number): void {
    const needed = this.length + count;
    // Twice the need even when moving within one buffer, so that each byte is moved a bounded number of times.
    const room = needed * 2 > this.#buffer.length ? new Uint8Array(needed * 2) : this.#buffer;
    room.set(this.#buffer.subarray(this.#start, this.#end));
    this.#buffer = room;
    this.#end = this.length;
    this.#start = 0;
  }
}
