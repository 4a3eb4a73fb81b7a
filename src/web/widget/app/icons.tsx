const paths = {
  send: ['M4.5 12h14', 'm12.5 5.5 6.5 6.5-6.5 6.5'],
  close: ['M6 6l12 12M18 6 6 18'],
  down: ['M12 5v14', 'm6 13 6 6 6-6'],
  clock: ['M12 7.5V12l3 2', 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z'],
  check: ['m5 12.5 4.5 4.5L19 7.5'],
  checks: ['m1.5 12.5 4.5 4.5 9-9.5', 'm11.5 16 1 1 9.5-9.5'],
  alert: ['M12 8v5', 'M12 16.5h.01', 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z'],
}

export function Icon({ name, size = 20 }: { name: keyof typeof paths; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      {paths[name].map((d) => <path d={d} />)}
    </svg>
  )
}
