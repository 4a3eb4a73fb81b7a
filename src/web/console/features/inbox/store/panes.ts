export { listWidth } from '../../../app/preferences'

/** In pixels. */
export const listWidthLimits = { min: 320, max: 420 }
