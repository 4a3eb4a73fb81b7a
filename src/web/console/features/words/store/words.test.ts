import { expect, it } from 'vitest'
import { parseWords } from './words'

it('parseWords keeps one of each in order, blanks inside included', () => {
  expect(parseWords(' 加微信 \n\nbuy now\n加微信\r\n')).toEqual(['加微信', 'buy now'])
})
