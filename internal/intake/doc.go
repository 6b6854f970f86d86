// Package intake turns what came in through a source into a judgement: is the signature ours, what does
// the payload say, is somebody asking for work, and in whose words.
//
// Everything here is a pure function of its arguments: no clock, no network, no store. The sources call
// Verify, Envelope and CheckDeliveryID before they accept a delivery; the processor calls Parse and Judge
// afterwards, as often as it likes, and gets the same answer. Whether the people behind a request may ask
// is not decided here, only who they are.
//
// The input is foreign text of any size and shape. Nothing here panics on it, and all of it takes time
// linear in the length of the text.
package intake
