/** The few words that are shown before the app with its catalogs is there. */
const words = {
  en: {
    open: 'Chat with us',
    openUnread: (count: number) => `Chat with us, ${count} unread`,
    close: 'Close the chat',
    dismiss: 'Dismiss',
    failed: 'The chat could not be loaded. Click to try again.',
  },
  zh: {
    open: '在线咨询',
    openUnread: (count: number) => `在线咨询，${count} 条未读`,
    close: '关闭聊天',
    dismiss: '关闭提示',
    failed: '聊天暂时无法加载，点击重试。',
  },
}
export type Words = typeof words.en

export const wordsFor = (languages: readonly string[]): Words => {
  for (const tag of languages) {
    if (/^zh\b/i.test(tag)) return words.zh
    if (/^en\b/i.test(tag)) return words.en
  }
  return words.en
}
