package com.amazonaws.services.lambda.runtime;

/** The mobile application that called, as its SDK describes it. */
public interface Client {
    /** The installation of the application. */
    String getInstallationId();

    /** The application's title. */
    String getAppTitle();

    /** The version's name. */
    String getAppVersionName();

    /** The version's code. */
    String getAppVersionCode();

    /** The package's name. */
    String getAppPackageName();
}
