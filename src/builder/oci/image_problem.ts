/**
 * What can be wrong with an image, said by whoever finds it. The parts that
 * read bytes know the reason but not the image; `reading` puts both into one
 * fault, so that a message names the layer and the file.
 *
 * @module
 */

import { ArchiveProblem } from "../../archive/problem.ts";
import { Fault, type FaultCode } from "../../lib/fault.ts";

export type ImageFaultCode = Extract<
  FaultCode,
  "invalid-image" | "not-supported" | "checksum-mismatch"
>;

export class ImageProblem extends Error {
  override readonly name = "ImageProblem";
  readonly code: ImageFaultCode;
  readonly hint: string;

  /** `reason` ends the sentence `Cannot read <thing>: `. */
  constructor(
    code: ImageFaultCode,
    reason: string,
    options: ErrorOptions & { readonly hint: string },
  ) {
    super(reason, options);
    this.code = code;
    this.hint = options.hint;
  }
}

/** Bytes that do not follow their format. */
export function damaged(reason: string): ImageProblem {
  return new ImageProblem("invalid-image", reason, {
    hint: "Copy or build the image again",
  });
}

/** A file that is not the one its digest or size names. */
export function mismatch(reason: string): ImageProblem {
  return new ImageProblem("checksum-mismatch", reason, {
    hint: "Copy the image again: this copy of it is damaged",
  });
}

/** Does `act`; a problem found by it becomes a fault that names `what`. */
export async function reading<Result>(
  what: string,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw imageFault(what, error);
  }
}

export function imageFault(what: string, error: unknown): unknown {
  const problem = problemOf(error);
  if (problem === undefined) return error;
  return new Fault(problem.code, `Cannot read ${what}: ${problem.message}`, {
    cause: problem.cause ?? error,
    hint: problem.hint,
  });
}

/** What is wrong with the image, also where its archives are; else undefined. */
export function problemOf(error: unknown): ImageProblem | undefined {
  if (error instanceof ImageProblem) return error;
  if (!(error instanceof ArchiveProblem)) return undefined;
  const { kind, message, cause } = error;
  if (kind === "unknown") {
    return new ImageProblem("not-supported", message, {
      cause,
      hint: "Build the image again without it, with GNU tar or Docker",
    });
  }
  return new ImageProblem("invalid-image", message, {
    cause,
    hint: "Copy or build the image again",
  });
}

/** Does `act`, which writes what an image holds; a fault of it names the image. */
export async function writing<Result>(
  name: string,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== "invalid-image") {
      throw error;
    }
    const reason = error.message.replace(/^Cannot /, "cannot ");
    throw new Fault(error.code, `Cannot convert image "${name}": ${reason}`, {
      cause: error,
      hint: error.hint ?? "Build the image again without it",
    });
  }
}
