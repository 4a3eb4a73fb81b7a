/** Words as a text of lines, and back. Doubles and empty lines go; the order stays. */
export const parseWords = (text: string): string[] => [...new Set(text.split('\n').map((line) => line.trim()).filter(Boolean))]
