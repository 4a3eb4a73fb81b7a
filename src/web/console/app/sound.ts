/** Two short tones made in the browser: nothing is loaded. A browser lets them sound only after the person did something. */
import { ref } from 'vue'
import { soundOn } from './preferences'

let audio: AudioContext | undefined
/** The browser has not allowed sound yet. */
export const soundBlocked = ref(false)

/** Call on a gesture of the person. */
export async function allowSound(): Promise<void> {
  audio ??= new AudioContext()
  await audio.resume()
  soundBlocked.value = audio.state !== 'running'
}

/** A new person is waiting: two notes going up. A message: one soft note. */
const melodies = { waiting: [659.25, 880], message: [783.99] }

export function play(melody: keyof typeof melodies): void {
  if (!soundOn.value) return
  if (!audio || audio.state !== 'running') {
    soundBlocked.value = true
    return
  }
  const start = audio.currentTime
  melodies[melody].forEach((frequency, index) => note(audio as AudioContext, frequency, start + index * 0.14))
}

function note(context: AudioContext, frequency: number, at: number): void {
  const tone = context.createOscillator()
  const volume = context.createGain()
  tone.frequency.value = frequency
  // A quick rise and a long fall: anything steeper clicks.
  volume.gain.setValueAtTime(0.0001, at)
  volume.gain.exponentialRampToValueAtTime(0.16, at + 0.02)
  volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.32)
  tone.connect(volume).connect(context.destination)
  tone.start(at)
  tone.stop(at + 0.34)
}
