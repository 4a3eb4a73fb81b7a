import { describe, expect, it } from 'vitest'
import { initialsOf } from './avatar'

describe('initialsOf', () => {
  it.each([
    ['Ada Lin', 'AL'], ['Madonna', 'M'], ['李娜', '娜'], ['Visitor 4272', '72'], ['访客 4272', '72'], ['Henry 8', 'H8'], ['', '?'],
  ])('%s is %s', (name, initials) => expect(initialsOf(name)).toBe(initials))
})
