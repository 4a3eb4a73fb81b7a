import { describe, expect, it } from 'vitest'
import { brandColors, contrast, parseColor, repair, type Rgb } from './contrast'

const rgb = (text: string) => parseColor(text) as Rgb

describe('contrast', () => {
  it('agrees with known values', () => {
    expect(contrast(rgb('#000'), rgb('#fff'))).toBeCloseTo(21, 5)
    expect(contrast(rgb('#777777'), rgb('#FFFFFF'))).toBeCloseTo(4.48, 2)
  })
  it('reads colours strictly', () => {
    expect(parseColor('#2B55D9')).toEqual([43, 85, 217])
    for (const bad of ['red', '#12', 'url(x)', '#12345g', '']) expect(parseColor(bad)).toBeUndefined()
  })
})

describe('repair', () => {
  it('leaves a good colour alone', () => expect(repair(rgb('#2B55D9'), rgb('#fff'))).toEqual(rgb('#2B55D9')))
})

describe('brandColors', () => {
  const palette = ['#2B55D9', '#FFE600', '#FFFFFF', '#000000', '#00FF7F', '#FF6A00', '#8A8A8A', '#7F00FF', '#F8F8F8', '#101010']
  it.each(palette)('keeps every pair readable for %s', (color) => {
    for (const dark of [false, true]) {
      const brand = brandColors(color, dark)
      if (!brand) throw new Error('not a colour')
      const surface = rgb(dark ? '#151A23' : '#FFFFFF')
      expect(contrast(rgb(brand.onFill), rgb(brand.fill)), 'text on fill').toBeGreaterThanOrEqual(4.5)
      expect(contrast(rgb(brand.onFill), rgb(brand.hover)), 'text on hover').toBeGreaterThanOrEqual(4.5)
      expect(contrast(rgb(brand.text), surface), 'text on surface').toBeGreaterThanOrEqual(4.49)
      expect(contrast(rgb(brand.text), rgb(brand.soft)), 'text on soft').toBeGreaterThanOrEqual(4.49)
    }
  })
})
