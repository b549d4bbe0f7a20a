/** What a session may be made of beside what every one is: names that both sides offer in the handshake. Whoever lacks one is never sent its messages. */

/** Messages `presence`. */
export const presenceFeature = "presence/1";
/** Messages `channel` and `message`. */
export const messagesFeature = "messages/1";

export const features: readonly string[] = [messagesFeature, presenceFeature];
