export function findInstalled(names: readonly string[], places: readonly string[]): string | undefined;
export function isDebianRoot(): boolean;
