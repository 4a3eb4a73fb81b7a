/** What the inbox does while another page is shown: it follows the queue and own conversations, for sounds and counts. */
import { useLists } from './store/lists'

export function followInbox(): () => void {
  const lists = useLists()
  const ends = [lists.follow('waiting'), lists.follow('mine')]
  return () => ends.forEach((end) => end())
}
