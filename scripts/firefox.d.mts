export function findFirefox(): string | undefined;
export function firefoxOptions(): { channel?: string; executablePath?: string };
